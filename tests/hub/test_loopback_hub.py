"""The Hub of the tests answers as the real one does: asked by the Hub's own client, and bare."""

import json
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from loopback_hub import TOKEN, LoopbackHub
from loopback_store import Blob, HubError, Store, git_blob_id


def ask(hub, method, path, body=None, token=TOKEN, **headers):
    """Return (status, headers, body)."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(hub.url + path, data=data, method=method, headers=headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def commit(hub, path, data, kind="models", revision="main", **header):
    lines = [
        {"key": "header", "value": {"summary": f"add {path}", **header}},
        {"key": "file", "value": {"path": path, "content": data.hex(), "encoding": "base64"}},
    ]
    body = b"\n".join(json.dumps(line).encode() for line in lines)
    return ask(hub, "POST", f"/api/{kind}/user/name/commit/{revision}", body)


@pytest.fixture
def repository(loopback_hub):
    """Return the hub with a model of one file."""
    loopback_hub.store.create("user/name", "model")
    files = loopback_hub.store.get("user/name", "model").commit_of("main").files
    files["notes.txt"] = Blob(b"0123456789")
    return loopback_hub


CLIENT = """
import os, pathlib
from huggingface_hub import HfApi, HfFileSystem, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

api = HfApi()
assert api.whoami()["name"] == "user"

def refuses(error, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except error:
        return True
    raise AssertionError(f"{function} did not refuse")

for kind in ("model", "dataset", "space"):
    name, sdk = "user/x", "gradio" if kind == "space" else None
    for _ in range(2):
        url = api.create_repo(name, repo_type=kind, space_sdk=sdk, exist_ok=True)
    assert (url.repo_id, url.repo_type) == (name, kind)
    folder = pathlib.Path("folder") / kind
    (folder / "a/b").mkdir(parents=True)
    (folder / "README.md").write_text("---\\nlicense: mit\\n---\\nhello")
    (folder / "a/b/w.safetensors").write_bytes(os.urandom(100_000))
    (folder / "a/t.txt").write_text("t" * 1000)
    made = api.upload_folder(repo_id=name, repo_type=kind, folder_path=folder, commit_message="one")
    entries = list(api.list_repo_tree(name, repo_type=kind, recursive=True))
    assert [one.path for one in entries] == [".gitattributes", "README.md", "a", "a/b", "a/b/w.safetensors", "a/t.txt"]
    assert [one.path for one in api.list_repo_tree(name, "a", repo_type=kind, expand=True)] == ["a/b", "a/t.txt"]
    assert [one.path for one in api.get_paths_info(name, ["a/t.txt", "a", "zz"], repo_type=kind)] == ["a", "a/t.txt"]
    fetched = pathlib.Path(snapshot_download(name, repo_type=kind))
    for path in ("README.md", "a/t.txt", "a/b/w.safetensors"):
        assert (fetched / path).read_bytes() == (folder / path).read_bytes()
    report = api.verify_repo_checksums(name, repo_type=kind)
    assert report.checked_count == 4 and not report.mismatches and not report.missing_paths
    siblings = api.repo_info(name, repo_type=kind, files_metadata=True).siblings
    assert {one.rfilename: one.size for one in siblings}["a/b/w.safetensors"] == 100_000
    api.create_branch(name, branch="v/1", repo_type=kind)
    api.create_tag(name, tag="t1", repo_type=kind)
    refs = api.list_repo_refs(name, repo_type=kind)
    assert [one.name for one in refs.branches] == ["main", "v/1"] and refs.tags[0].target_commit == made.oid
    api.delete_file("a/t.txt", name, repo_type=kind)
    assert "a/t.txt" not in api.list_repo_files(name, repo_type=kind)
    assert "a/t.txt" in api.list_repo_files(name, repo_type=kind, revision="v/1")
    titles = [one.title for one in api.list_repo_commits(name, repo_type=kind, revision="t1")]
    assert titles == ["one", "initial commit"]
    proposal = api.upload_file(
        path_or_fileobj=b"x", path_in_repo="n.txt", repo_id=name, repo_type=kind, create_pr=True
    )
    assert proposal.pr_num == 1 and "n.txt" not in api.list_repo_files(name, repo_type=kind)
    refuses(EntryNotFoundError, api.hf_hub_download, name, "zz", repo_type=kind)
    refuses(RevisionNotFoundError, api.repo_info, name, repo_type=kind, revision="zz")
    refuses(RepositoryNotFoundError, api.repo_info, "user/zz", repo_type=kind)
    prefix = "" if kind == "model" else f"{kind}s/"
    files, raw = HfFileSystem(), (folder / "a/b/w.safetensors").read_bytes()
    assert files.cat_file(f"{prefix}{name}/a/b/w.safetensors", 5, 9) == raw[5:9]
    assert files.cat_file(f"{prefix}{name}@v%2F1/a/b/w.safetensors") == raw
    api.update_repo_settings(name, repo_type=kind, visibility="private")
    refuses(RepositoryNotFoundError, HfApi(token=False).repo_info, name, repo_type=kind)
    assert api.repo_info(name, repo_type=kind).private
    api.delete_tag(name, tag="t1", repo_type=kind)
    api.delete_branch(name, branch="v/1", repo_type=kind)
    api.delete_repo(name, repo_type=kind)
    assert not api.repo_exists(name, repo_type=kind)
"""


def test_client_of_the_hub_is_content(tmp_path):
    # pages of two rows, so that every listing has several
    with LoopbackHub(page_size=2) as hub:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(CLIENT)],
            env=hub.environment(tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert not [entry for entry in hub.log if entry.status >= 500]


def test_script_serves_until_it_is_stopped(tmp_path):
    script = Path(__file__).parents[1] / "loopback_hub.py"
    server = subprocess.Popen([sys.executable, script, "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().split()[0].removeprefix("HF_ENDPOINT=")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/api/models") as reply:
            assert json.load(reply) == []
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_environment_shows_this_hub_and_no_other(loopback_hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    environment = loopback_hub.environment(tmp_path)
    assert environment["HF_ENDPOINT"] == loopback_hub.url
    assert environment["HF_TOKEN"] == TOKEN
    assert not {"HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"} & set(environment)
    assert "HF_TOKEN" not in loopback_hub.environment(tmp_path, token=None)


@pytest.mark.parametrize(
    ("wanted", "status", "expected"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=7-99", 206, b"789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=10-", 416, b""),
    ],
)
def test_range_is_answered(repository, wanted, status, expected):
    got, headers, body = ask(repository, "GET", "/user/name/resolve/main/notes.txt", Range=wanted)
    assert (got, body) == (status, expected)
    assert headers["Content-Range"].endswith("/10")


def test_download_tells_hash_commit_and_size(repository):
    status, headers, body = ask(repository, "HEAD", "/user/name/resolve/main/notes.txt")
    assert (status, body) == (200, b"")
    assert headers["ETag"] == f'"{git_blob_id(b"0123456789")}"'
    assert headers["X-Repo-Commit"] == repository.store.get("user/name", "model").branches["main"]
    assert headers["Content-Length"] == "10"


def test_hash_of_git_is_that_of_git():
    assert git_blob_id(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


@pytest.mark.parametrize(
    ("method", "path", "token", "status", "code"),
    [
        ("GET", "/api/whoami-v2", None, 401, None),
        ("GET", "/api/whoami-v2", "hf_other", 401, None),
        ("POST", "/api/repos/create", None, 401, None),
        ("POST", "/api/models/user/name/commit/main", None, 401, None),
        ("GET", "/api/models/user/absent", TOKEN, 404, "RepoNotFound"),
        ("GET", "/api/models/user/absent", None, 401, "RepoNotFound"),
        ("GET", "/api/datasets/user/name", TOKEN, 404, "RepoNotFound"),
        ("GET", "/api/datasets/name", TOKEN, 404, "RepoNotFound"),
        ("GET", "/api/models/user/name/revision/zz", TOKEN, 404, "RevisionNotFound"),
        ("GET", "/api/models/user/name/tree/main/zz", TOKEN, 404, "EntryNotFound"),
        ("GET", "/user/name/resolve/main/zz", TOKEN, 404, "EntryNotFound"),
        ("GET", "/api/agent-harnesses", TOKEN, 404, None),
    ],
)
def test_refusals_say_why(repository, method, path, token, status, code):
    got, headers, body = ask(repository, method, path, {} if method == "POST" else None, token)
    assert (got, headers["X-Error-Code"]) == (status, code)
    assert json.loads(body)["error"] == headers["X-Error-Message"]


def test_commit_on_an_old_parent_is_refused(repository):
    parent = repository.store.get("user/name", "model").branches["main"]
    assert commit(repository, "a.txt", b"", parentCommit=parent)[0] == 200
    assert commit(repository, "b.txt", b"", parentCommit=parent)[0] == 412
    assert set(repository.files("user/name")) == {"a.txt", "notes.txt"}
    assert repository.commits("user/name") == ["add a.txt", "initial commit"]


def test_commits_that_cannot_be_are_refused(repository):
    model = repository.store.get("user/name", "model")
    header = {"key": "header", "value": {"summary": "x"}}
    large = {"key": "lfsFile", "value": {"path": "w.bin", "oid": "0" * 64, "algo": "sha256", "size": 1}}
    for line, message in [
        (large, "does not exist"),
        ({"key": "deletedFile", "value": {"path": "zz"}}, "doesn't exist"),
        ({"key": "other", "value": {"path": "zz"}}, "unknown line"),
    ]:
        with pytest.raises(HubError, match=message):
            model.apply("main", [header, line])
    with pytest.raises(HubError, match="Invalid rev id"):
        model.apply("zz", [header])
    assert repository.commits("user/name") == ["initial commit"]


def test_repositories_that_cannot_be_are_refused():
    store = Store()
    for options, status in [(("u/n", "bucket"), 400), (("u/n", "space"), 400)]:
        with pytest.raises(HubError) as raised:
            store.create(*options)
        assert raised.value.status == status
    store.create("u/n", "model")
    with pytest.raises(HubError, match="already created"):
        store.create("u/n", "model")


@pytest.mark.parametrize("status", [401, 403, 404, 409, 429, 500, 503])
def test_a_status_is_told_once_and_nothing_is_done(repository, status):
    repository.inject("POST", "/commit/", status)
    got, headers, _ = commit(repository, "a.txt", b"")
    assert got == status
    assert headers["Retry-After"] == ("1" if status == 429 else None)
    assert repository.log[-1].fault == status
    assert repository.commits("user/name") == ["initial commit"]
    assert commit(repository, "a.txt", b"")[0] == 200


def test_fault_lets_some_pass_and_strikes_as_often_as_told(loopback_hub):
    loopback_hub.inject("GET", "/models", 503, times=2, skip=1)
    loopback_hub.inject("GET", "/datasets", 500)
    assert [ask(loopback_hub, "GET", "/api/models")[0] for _ in range(4)] == [200, 503, 503, 200]
    assert [fault.name for fault in loopback_hub.waiting_faults] == [500]
    loopback_hub.clear_faults()
    assert ask(loopback_hub, "GET", "/api/datasets")[0] == 200


def test_faults_of_transfer(repository):
    path = "/user/name/resolve/main/notes.txt"
    for fault in ("cut", "lost"):
        repository.inject("GET", path, fault)
        with pytest.raises(OSError if fault == "lost" else Exception, match=r"(?i)incomplete|closed|reset"):
            ask(repository, "GET", path)
    repository.inject("GET", path, "flip")
    assert ask(repository, "GET", path)[2] == b"01234" + bytes([ord("5") ^ 1]) + b"6789"
    repository.inject("GET", path, "hash")
    _, headers, body = ask(repository, "GET", path)
    assert body == b"0123456789"
    assert headers["ETag"].strip('"')[1:] == git_blob_id(body)[1:]
    assert headers["ETag"].strip('"') != git_blob_id(body)


def test_wrong_hashes_are_told_in_listings(repository):
    path = "/api/models/user/name/tree/main?recursive=true"
    honest = json.loads(ask(repository, "GET", path)[2])
    repository.inject("GET", "/tree/", "hash")
    lying = json.loads(ask(repository, "GET", path)[2])
    assert [row["path"] for row in lying] == [row["path"] for row in honest]
    assert all(wrong["oid"] != right["oid"] for wrong, right in zip(lying, honest, strict=True))


def test_answers_that_are_lost_were_done(repository):
    for fault in ("cut", "lost"):
        repository.inject("POST", "/commit/", fault)
        with pytest.raises(Exception, match=r"(?i)incomplete|closed|reset"):
            commit(repository, f"{fault}.txt", b"")
    assert set(repository.files("user/name")) == {"cut.txt", "lost.txt", "notes.txt"}


def test_a_first_fault_may_be_given_at_once():
    with LoopbackHub(("GET", "/api/models", 500)) as hub:
        assert ask(hub, "GET", "/api/models")[0] == 500


def test_unknown_fault_is_refused(loopback_hub):
    with pytest.raises(ValueError, match="got 'slow'"):
        loopback_hub.inject("GET", "/", "slow")
