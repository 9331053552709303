"""Every fault once per endpoint: either the repository is whole, or an error is raised; nothing in between."""

import copy
import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants
from huggingface_hub.errors import HfHubHTTPError
from loopback_hub import LoopbackHub

from pixelbytes_hf.hub.download import DamagedDownloadError, fetch_folder
from pixelbytes_hf.hub.requests import HubError, explain, persistently
from pixelbytes_hf.hub.upload import IncompleteUploadError, publish_folder

KINDS = ["model", "dataset", "space"]
STATUSES = [401, 403, 404, 409, 429, 500, 503]
FOR_GOOD = (401, 403, 404)
BRANCH = "v1"
# method, part of the path, how many such requests go well before the fault strikes
PUBLISHING = {
    "create": ("POST", "/repos/create"),
    "branch": ("POST", "/branch/"),
    "newest commit": ("GET", "/revision/"),
    "listing": ("GET", "/tree/"),
    "listing afterwards": ("GET", "/tree/", 1),
    "card": ("POST", "/validate-yaml"),
    "preupload": ("POST", "/preupload/"),
    "large files": ("POST", "/objects/batch"),
    "storage": ("PUT", "/lfs/"),
    "commit": ("POST", "/commit/"),
}
FETCHING = {
    "newest commit": ("GET", "/revision/"),
    "listing": ("GET", "/tree/"),
    "head of a small file": ("HEAD", "/notes.txt"),
    "head of a large file": ("HEAD", "/weights.safetensors"),
    "small file": ("GET", "/notes.txt"),
    "large file": ("GET", "/weights.safetensors"),
}


@pytest.fixture
def waits(monkeypatch):
    """Return the list of waits that were asked for; none is made."""
    asked = []
    monkeypatch.setattr(time, "sleep", asked.append)
    return asked


@pytest.fixture
def online(online, waits):
    """Return the loopback Hub as this process sees it, without waits."""
    return online


FILES = {
    "README.md": b"---\nlicense: apache-2.0\n---\n# A card\n",
    "notes.txt": b"some notes\n" * 20,
    "weights.safetensors": bytes(range(256)) * 40,
    "inner/other.safetensors": b"\0\1\2" * 999,
    "inner/empty.json": b"",
}


@pytest.fixture
def folder(tmp_path):
    """Return a folder of small and large files."""
    return make_folder(tmp_path / "folder")


def make_folder(root):
    for name, data in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def publish(folder, kind="model", **options):
    settings = {"repo_type": kind, "message": "all in one", "revision": BRANCH, **options}
    return publish_folder(folder, "user/name", **settings)


def inject(hub, where, fault, times=1):
    method, part, *skipped = where
    hub.inject(method, part, fault, times, skip=sum(skipped))


def contents(path):
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def fault_cases(endpoints, others):
    """Return every (endpoint, fault) that means something."""
    cases = [(where, fault) for where in endpoints for fault in [*STATUSES, "cut", "lost", "hash"]]
    return [*cases, *others]


def assert_published(hub, kind, published):
    assert hub.files("user/name", kind, BRANCH) == FILES
    assert set(published.files) == set(FILES)
    assert published.commit == hub.store.get("user/name", kind).branches[BRANCH]


LIES = [
    *(("storage", "cut"), ("storage", "flip"), ("commit", "hash"), ("commit", "drop")),
    *(("newest commit", "hash"), ("listing afterwards", "hash")),
]
# a told hash that is wrong does no harm where the answer holds none, or where it only makes a file be sent again
HARMLESS = ["create", "branch", "card", "preupload", "storage", "listing"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("where", "fault"), fault_cases(PUBLISHING, [("storage", "flip"), ("commit", "drop")]))
def test_publishing_is_whole_or_raises(online, folder, kind, where, fault):
    inject(online, PUBLISHING[where], fault)
    try:
        published = publish(folder, kind)
    except HubError:
        # what must pass did not, unless it was one of the faults that cannot
        assert fault in (*FOR_GOOD, 409, "hash") or (where, fault) in LIES
        published = publish(folder, kind)
    else:
        assert fault not in FOR_GOOD
        assert (where, fault) not in LIES
        assert online.commits("user/name", kind, BRANCH) == ["all in one", "initial commit"]
        assert set(published.sent) == set(FILES)
        assert fault != "hash" or where in HARMLESS
    assert not online.waiting_faults
    assert_published(online, kind, published)


@pytest.mark.parametrize("fault", FOR_GOOD)
@pytest.mark.parametrize("where", PUBLISHING)
def test_refusals_are_not_tried_again(online, folder, waits, where, fault):
    inject(online, PUBLISHING[where], fault, times=10)
    with pytest.raises(HubError, match="user/name: "):
        publish(folder)
    method, part, *skipped = PUBLISHING[where]
    asked = [entry.path for entry in online.requests(method, part) if entry.fault]
    # files are sent side by side, each of them once
    assert len(asked) == len(set(asked)) == len(online.requests(method, part)) - sum(skipped)
    assert waits == []


@pytest.mark.parametrize("fault", [429, 500, 503, "lost"])
def test_faults_that_last_end_in_an_error(online, folder, waits, fault):
    online.inject("POST", "/commit/", fault, times=10)
    if fault == "lost":
        # each of these commits is made, the answers are lost: the next try finds it
        assert publish(folder, num_retries=2).commit
        assert online.commits("user/name", revision=BRANCH) == ["all in one", "initial commit"]
        return
    with pytest.raises(HubError, match="call again"):
        publish(folder, num_retries=2)
    assert len(online.requests("POST", "/commit/")) == 3
    assert waits == [1, 2]
    assert online.commits("user/name", revision=BRANCH) == ["initial commit"]


@pytest.mark.parametrize("fault", ["hash", "flip", "drop"])
def test_a_commit_that_lies_names_the_files(online, folder, fault):
    """The listing lies, the storage lies, the commit lies."""
    if fault == "hash":
        publish(folder)
        (folder / "notes.txt").write_bytes(b"others")
        online.inject("POST", "/commit/", "drop")
        named = r"other bytes than sent in notes\.txt"
    elif fault == "flip":
        online.inject("PUT", "/lfs/", "flip", times=2)
        named = r"other bytes than sent in inner/other\.safetensors, weights\.safetensors"
    else:
        online.inject("POST", "/commit/", "drop")
        named = r"lacks weights\.safetensors"
    with pytest.raises(IncompleteUploadError, match=named) as raised:
        publish(folder)
    assert raised.value.missing or raised.value.different
    assert str(raised.value).endswith("only those files are sent again")


def test_a_listing_that_lies_is_not_believed(online, folder):
    publish(folder)
    # once for what is there, and once, after the commit that puts all again, for what arrived
    online.inject("GET", "/tree/", "hash", times=2)
    with pytest.raises(IncompleteUploadError, match="other bytes"):
        publish(folder)
    assert publish(folder).sent == ()


def test_second_call_sends_only_what_is_missing(online, folder):
    digest = online_digest(FILES["weights.safetensors"])
    online.inject("PUT", digest, "cut")
    with pytest.raises(IncompleteUploadError) as raised:
        publish(folder)
    assert (raised.value.missing, raised.value.different) == ([], ["weights.safetensors"])
    online.log.clear()
    published = publish(folder)
    assert published.sent == ("weights.safetensors",)
    assert [entry.path.rsplit("/", 1)[1] for entry in online.requests("PUT")] == [digest]
    assert_published(online, "model", published)


def online_digest(data):
    from loopback_store import Blob

    return Blob(data).sha256


def test_storage_that_refuses_leaves_no_commit_and_keeps_what_it_has(online, folder):
    online.inject("PUT", online_digest(FILES["weights.safetensors"]), 503, times=100)
    with pytest.raises(HubError, match="faulty"):
        publish(folder, num_retries=0)
    assert online.commits("user/name", revision=BRANCH) == ["initial commit"]
    online.clear_faults()
    online.log.clear()
    publish(folder)
    assert len(online.requests("PUT")) == 1


def test_same_folder_twice_makes_one_commit(online, folder):
    first = publish(folder)
    second = publish(folder)
    assert second.commit == first.commit
    assert second.sent == ()
    assert len(online.requests("POST", "/commit/")) == 1


def test_a_commit_in_between_is_not_overwritten_unseen(online, folder):
    online.inject("POST", "/commit/", 412)
    publish(folder)
    assert len(online.requests("POST", "/commit/")) == 2
    assert len(online.commits("user/name", revision=BRANCH)) == 2


def test_what_others_commit_meanwhile_is_seen(online, folder, monkeypatch):
    publish(folder)
    (folder / "notes.txt").write_bytes(b"new notes")
    send = HfApi.create_commit

    def send_after_others(api, *arguments, **options):
        monkeypatch.setattr(HfApi, "create_commit", send)
        theirs = [CommitOperationAdd("README.md", b"theirs")]
        api.create_commit("user/name", operations=theirs, commit_message="theirs", revision=BRANCH)
        return send(api, *arguments, **options)

    monkeypatch.setattr(HfApi, "create_commit", send_after_others)
    assert publish(folder).sent == ("README.md", "notes.txt")
    assert online.files("user/name", "model", BRANCH) == {**FILES, "notes.txt": b"new notes"}


def test_two_at_once_lose_nothing(online, folder, tmp_path):
    """Each sees that the other was faster, and starts from the other's commit."""
    publish(folder)
    names = ("one", "two", "three")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(name)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda name: publish(tmp_path / name, num_retries=20), names))
    assert online.files("user/name", "model", BRANCH) == FILES | {f"{name}.txt": name.encode() for name in names}
    assert len(online.commits("user/name", revision=BRANCH)) == 5


def test_errors_hold_the_words_of_the_hub(online, folder):
    for status, message in {
        404: r"does not know it; .* \(the loopback Hub was told",
        409: "others write to it",
    }.items():
        online.inject("POST", "/commit/", status, times=9)
        with pytest.raises(HubError, match=message):
            publish(folder, num_retries=0)
        online.clear_faults()


def test_hub_is_waited_for_as_long_as_it_asks(online, folder, waits):
    online.inject("POST", "/commit/", 429)
    publish(folder)
    assert waits == [1]


def test_main_is_the_branch_if_none_is_named(online, folder):
    published = publish(folder, revision=None)
    assert online.files("user/name") == FILES
    assert published.url == f"{online.url}/user/name"
    assert not online.requests("POST", "/branch/")


def test_others_are_deleted_only_if_asked(online, folder):
    publish(folder, revision=None)
    (folder / "notes.txt").unlink()
    publish(folder, revision=None)
    assert online.files("user/name") == FILES
    assert publish(folder, revision=None, delete_others=True).sent == ()
    files = online.store.get("user/name", "model").commit_of("main").files
    assert set(files) == {".gitattributes", *FILES} - {"notes.txt"}


def test_bookkeeping_is_not_sent(online, folder):
    for name in (".git/HEAD", ".cache/huggingface/x.lock"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("x")
    publish(folder)
    assert online.files("user/name", "model", BRANCH) == FILES


@pytest.mark.parametrize("name", [".env", ".ssh/id_rsa", "inner/.token", "notes.md", "linked", "dangling", "pipe"])
def test_links_and_hidden_files_are_refused_before_anything_is_asked(online, folder, tmp_path, name):
    (tmp_path / "key").write_text("secret")
    target = folder / name
    if name in ("notes.md", "linked", "dangling"):
        target.symlink_to({"notes.md": tmp_path / "key", "linked": tmp_path, "dangling": tmp_path / "absent"}[name])
    elif name == "pipe":
        os.mkfifo(target)
    else:
        target.parent.mkdir(exist_ok=True)
        target.write_text("secret")
    with pytest.raises(ValueError, match=f"no links and no hidden files, got .*{re.escape(name)}"):
        publish(folder)
    assert online.log == []


def test_files_are_shown_before_anything_is_asked(online, folder):
    shown = []
    publish(folder, show=lambda files: shown.append((files, len(online.log))))
    assert shown == [({name: len(data) for name, data in sorted(FILES.items())}, 0)]


def test_private_is_never_sent_where_others_see_it(online, folder):
    publish(folder, kind="dataset", private=True)
    assert online.store.get("user/name", "dataset").private
    publish(folder, kind="model")
    (folder / "secret.txt").write_text("secret")
    with pytest.raises(HubError, match="was to be private"):
        publish(folder, kind="model", private=True)
    assert "secret.txt" not in online.files("user/name", "model", BRANCH)


def test_token_is_asked_for(online, folder, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match="hf auth login"):
        publish(folder, token="hf_of_nobody")
    assert not online.store.repositories


def test_offline_is_said(online, folder, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):
        publish(folder)
    assert online.log == []


def test_a_hub_that_is_not_there_is_said(online, folder, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="connection to the Hub broke"):
        publish(folder, num_retries=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "models"}, "repo_type must be one of model, dataset, space, got 'models'"),
        ({"message": " "}, "message must say"),
        ({"num_retries": -1}, "num_retries must be at least 0, got -1"),
    ],
)
def test_wrong_arguments_are_refused(online, folder, options, message):
    with pytest.raises(ValueError, match=message):
        publish(folder, **options)
    assert online.log == []


def test_wrong_names_and_folders_are_refused(online, folder, tmp_path):
    with pytest.raises(ValueError, match="user/na me"):
        publish_folder(folder, "user/na me", repo_type="model", message="x")
    # the Hub would make it, under the name of whose token it is, and know no "name" afterwards
    with pytest.raises(ValueError, match="repo_id must be owner and name, such as 'user/name', got 'name'"):
        publish_folder(folder, "name", repo_type="model", message="x")
    with pytest.raises(ValueError, match="folder must be a folder"):
        publish(tmp_path / "absent")
    with pytest.raises(ValueError, match="user/na me"):
        fetch_folder("user/na me")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="folder must hold files"):
        publish(tmp_path / "empty")
    assert online.log == []


# fetching


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Return what a Hub keeps after the files were published to it, by kind of repository."""
    found, folder = {}, make_folder(tmp_path_factory.mktemp("stored") / "folder")
    for kind in KINDS:
        with LoopbackHub() as hub, hub.seen_here(folder.parent):
            publish(folder, kind)
        found[kind] = hub.store
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("where", "fault"), fault_cases(FETCHING, [("small file", "flip"), ("large file", "flip")]))
def test_fetching_is_whole_or_raises(online, stored, kind, where, fault):
    online.store = copy.deepcopy(stored[kind])
    online.inject(*FETCHING[where], fault)
    try:
        fetched = fetch_folder("user/name", repo_type=kind, revision=BRANCH)
    except HubError:
        assert fault in (*FOR_GOOD, "hash")
        fetched = fetch_folder("user/name", repo_type=kind, revision=BRANCH)
    found = contents(fetched)
    assert found.pop(".gitattributes")
    assert found == FILES
    assert not online.waiting_faults


@pytest.mark.parametrize("fault", ["flip", "cut"])
@pytest.mark.parametrize("name", ["notes.txt", "weights.safetensors"])
def test_damage_that_lasts_is_told_and_not_kept(online, folder, tmp_path, name, fault):
    publish(folder)
    online.inject("GET", f"/{name}", fault, times=1000)
    with pytest.raises(HubError) as raised:
        fetch_folder("user/name", revision=BRANCH, num_retries=1)
    if fault == "flip":
        assert isinstance(raised.value, DamagedDownloadError)
        assert name in str(raised.value)
    assert not [path for path in (tmp_path / "cache").rglob(name) if path.exists()]
    online.clear_faults()
    assert (fetch_folder("user/name", revision=BRANCH) / name).read_bytes() == FILES[name]


def test_damage_in_the_cache_is_found_and_mended(online, folder):
    publish(folder)
    path = fetch_folder("user/name", revision=BRANCH)
    (path / "weights.safetensors").resolve().write_bytes(b"\0" * len(FILES["weights.safetensors"]))
    with pytest.raises(DamagedDownloadError, match=r"weights\.safetensors did not come as the Hub has them"):
        fetch_folder("user/name", revision=BRANCH, num_retries=0)
    assert not (path / "weights.safetensors").exists()
    assert fetch_folder("user/name", revision=BRANCH) == path
    assert (path / "weights.safetensors").read_bytes() == FILES["weights.safetensors"]


def test_equal_files_of_the_cache_are_mended_together(online, folder):
    """The cache keeps them once, and links to that."""
    (folder / "copy.safetensors").write_bytes(FILES["weights.safetensors"])
    publish(folder)
    path = fetch_folder("user/name", revision=BRANCH)
    (path / "copy.safetensors").resolve().write_bytes(b"damaged")
    assert contents(fetch_folder("user/name", revision=BRANCH)).items() >= contents(folder).items()


def test_part_of_a_repository_is_fetched(online, folder):
    publish(folder)
    assert set(contents(fetch_folder("user/name", revision=BRANCH, allow_patterns=["inner/*"]))) == {
        "inner/other.safetensors",
        "inner/empty.json",
    }


def test_old_snapshot_is_not_taken_for_the_new_one(online, folder):
    publish(folder)
    fetch_folder("user/name", revision=BRANCH)
    online.inject("GET", "/revision/", 503, times=100)
    with pytest.raises(HubError):
        fetch_folder("user/name", revision=BRANCH, num_retries=1)


# what both share


def test_persistently_waits_longer_each_time(waits):
    class PassingError(HubError):
        is_passing = True

    calls = []

    def fail():
        calls.append(1)
        raise PassingError("x: busy")

    with pytest.raises(PassingError):
        persistently(fail, num_retries=7, subject="x")
    assert len(calls) == 8
    assert waits == [1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        *(("7", [7, 7]), ("0", [1, 2]), ("3600", []), ("9" * 400, [])),
        *((other, [1, 2]) for other in ("Wed, 21 Oct 2099 07:28:00 GMT", "²", "1²", "-3", "1.5", "nan", "soon")),
    ],
)
def test_patience_has_an_end(waits, asked, waited):
    def fail():
        request = httpx2.Request("GET", "http://hub/x")
        response = httpx2.Response(429, headers={"Retry-After": asked.encode("latin-1")}, request=request)
        raise HfHubHTTPError("slow down", response=response)

    with pytest.raises(HubError, match="wait some minutes and call again"):
        persistently(fail, num_retries=2, subject="x")
    assert waits == waited


XET = "Network error: Request error: HTTP status {}, domain: http://h/api/models/u/n/xet-write-token/main"


@pytest.mark.parametrize(
    ("error", "tries", "message"),
    [
        (ConnectionError(XET.format("client error (404 Not Found)")), 1, "x: this Hub has no Xet storage"),
        (ConnectionError(XET.format("client error (403 Forbidden)")), 1, "x: the token has no right"),
        (ConnectionError(XET.format("server error (503 Service Unavailable)")), 3, "x: the Hub is faulty"),
        (ConnectionError("reset by peer"), 3, r"x: the connection to the Hub broke \(reset by peer\)"),
    ],
)
def test_errors_of_xet_are_understood(waits, error, tries, message):
    calls = []

    def fail():
        calls.append(1)
        raise error

    with pytest.raises(HubError, match=message):
        persistently(fail, num_retries=2, subject="x")
    assert len(calls) == tries


def test_what_is_not_understood_is_told_whole():
    assert explain(KeyError("oid"), "user/name") == "user/name: KeyError: 'oid'"
    with pytest.raises(HubError, match=re.escape("x: RuntimeError: two lines")):
        persistently(lambda: (_ for _ in ()).throw(RuntimeError("two\nlines")), num_retries=3, subject="x")


# loading by name, as users do


@pytest.fixture(scope="module")
def loads(forks, tmp_path_factory):
    """Return what came of loading by name under every fault: (kind, where, fault) -> outcome."""
    folder = tmp_path_factory.mktemp("loads")
    script = "import sys; from pathlib import Path; from loading_under_faults import main; main(Path(sys.argv[1]))"
    quiet = {**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "OMP_NUM_THREADS": "1"}
    done = forks.run(script, folder, environment=quiet, paths=[Path(__file__).parents[1]])
    return {(kind, where, fault): outcome for kind, where, fault, outcome in json.loads(done.stdout.splitlines()[-1])}


def test_loading_by_name_is_right_or_raises(loads):
    """But for flipped bytes: the client looks at the length of what comes, which is what `fetch_folder` is for."""
    assert len(loads) > 90
    wrong = {key: outcome for key, outcome in loads.items() if outcome in ("different", "not asked")}
    assert {(fault, outcome) for (_, _, fault), outcome in wrong.items()} == {("flip", "different")}
    assert {("dataset", "data", "flip"), ("model", "weights", "flip")} <= wrong.keys()


def test_loading_survives_what_the_client_tries_again(loads):
    for kind, where in (("model", "weights"), ("model", "configuration"), ("dataset", "data"), ("dataset", "card")):
        assert {loads[kind, where, fault] for fault in ("429", "cut", "lost")} == {"equal"}


def test_loading_refuses_what_it_may_not_have(loads):
    refused = [outcome for (_, _, fault), outcome in loads.items() if fault in ("401", "403", "404")]
    assert "equal" not in refused
    assert len(refused) == 27


def test_damaged_files_are_mended_where_they_are_fetched_first(loads):
    assert loads["model", "weights, fetched first", "flip"] == "equal"
    assert loads["dataset", "data, fetched first", "flip"] == "equal"
