import dataclasses
import io
import socket

import numpy as np
import pytest
from PIL import Image

from dataset_builder.file_checks import problem_of
from dataset_builder.pokemon import CRY_FOLDER, CSV_FOLDER, SPRITE_FOLDER
from dataset_builder.remote_source import RemoteSource
from dataset_builder.sources import REVISIONS, LocalSource, Location, open_source

SPRITE = Location("sprites", f"{SPRITE_FOLDER}/1.gif")
CRY = Location("cries", f"{CRY_FOLDER}/2.ogg")
TABLE = Location("pokeapi", f"{CSV_FOLDER}/pokemon_species.csv")
ABSENT = Location("cries", f"{CRY_FOLDER}/999.ogg")


@pytest.fixture
def remote(host, tmp_path):
    return RemoteSource(tmp_path / "cache", host.url, attempts=3, backoff_seconds=0.01, timeout_seconds=5)


@pytest.mark.parametrize("location", [SPRITE, CRY, ABSENT])
def test_host_gives_what_the_copy_gives(remote, pokeapi, location):
    assert remote.read(location) == LocalSource(pokeapi).read(location)


def test_requests_name_the_pinned_commit(remote, host):
    remote.read(SPRITE)
    assert host.requests == [f"/sprites/{REVISIONS['sprites']}/{SPRITE.path}"]
    assert all(len(revision) == 40 for revision in REVISIONS.values())


@pytest.mark.parametrize("fault", [408, 425, 429, 500, 502, 503, 504, "cut"])
def test_passing_faults_are_retried(remote, host, pokeapi, fault):
    host.faults["1.gif"] = [fault, fault]
    assert remote.read(SPRITE) == LocalSource(pokeapi).read(SPRITE)
    assert len(host.requests) == 3


@pytest.mark.parametrize("fault", [429, 500, "cut"])
def test_lasting_faults_are_an_error_and_nothing_is_cached(remote, host, fault):
    host.faults["1.gif"] = [fault] * 9
    with pytest.raises(ConnectionError, match=r"1\.gif in 3 attempts"):
        remote.read(SPRITE)
    assert len(host.requests) == 3
    assert not [path for path in remote.cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize("status", [404, 410])
def test_missing_is_none_at_once(remote, host, status):
    host.faults["1.gif"] = [status]
    assert remote.read(SPRITE) is None
    assert len(host.requests) == 1


def test_refusal_is_an_error_at_once(remote, host):
    host.faults["1.gif"] = [403]
    with pytest.raises(ConnectionError, match="status 403"):
        remote.read(SPRITE)
    assert len(host.requests) == 1


def test_dead_host_is_an_error(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dead = RemoteSource(tmp_path, f"http://127.0.0.1:{port}", attempts=2, backoff_seconds=0.01)
    with pytest.raises(ConnectionError, match="2 attempts"):
        dead.read(SPRITE)


def test_files_are_asked_for_once(remote, host, pokeapi):
    first = remote.read(SPRITE)
    host.faults["1.gif"] = [500] * 9
    assert RemoteSource(remote.cache, host.url).read(SPRITE) == first
    assert len(host.requests) == 1


def test_cache_of_another_commit_is_not_used(remote, host):
    remote.read(SPRITE)
    RemoteSource(remote.cache, host.url, revisions=REVISIONS | {"sprites": "0" * 40}).read(SPRITE)
    assert len(host.requests) == 2


def test_interrupted_write_leaves_no_file(remote, monkeypatch):
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        remote.read(SPRITE)
    assert not [path for path in remote.cache.rglob("*") if path.is_file()]


def test_wrong_settings_are_refused(tmp_path):
    with pytest.raises(ValueError, match="revisions"):
        RemoteSource(tmp_path, revisions={"sprites": "0" * 40})
    with pytest.raises(ValueError, match="attempts"):
        RemoteSource(tmp_path, attempts=0)
    (tmp_path / "sprites").mkdir()
    with pytest.raises(FileNotFoundError, match=r"lacks \['pokeapi', 'cries'\]"):
        LocalSource(tmp_path)


def test_open_source_tells_folders_from_hosts(pokeapi, tmp_path):
    assert isinstance(open_source(str(pokeapi)), LocalSource)
    assert open_source("http://127.0.0.1:9/x", cache=tmp_path).base_url == "http://127.0.0.1:9/x"
    assert open_source(None, cache=tmp_path).base_url.startswith("https://")
    assert open_source(None, cache=tmp_path).description["sprites"] == REVISIONS["sprites"]


# what came with status 200 once each, and was kept
BODIES = {"login": b"<html>log in</html>", "empty": b"", "half": None}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("location", [SPRITE, CRY, TABLE], ids=["gif", "ogg", "csv"])
@pytest.mark.parametrize("has_hashes", [False, True])
def test_damaged_bodies_are_asked_for_again(remote, host, pokeapi, location, body, has_hashes):
    right = LocalSource(pokeapi).read(location)
    damaged = right[: len(right) * 2 // 3] if BODIES[body] is None else BODIES[body]
    host.faults[location.path] = [damaged, damaged]
    source = dataclasses.replace(remote, tree_url=host.url if has_hashes else None)
    assert source.read(location) == right
    assert len([path for path in host.requests if path.endswith(location.path)]) == 3
    assert source.read(location) == right and len(host.requests) == 3 + has_hashes


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data, at: data, None),
        (lambda data, at: data[:-9], "is a GIF that cannot be read: the file is cut short"),
        (lambda data, at: data[: at + 10] + b"\x0f" + data[at + 11 :], "is a GIF that cannot be read: cannot decode"),
        (lambda data, at: data[: at + 5] + b"\xff" * 4 + data[at + 9 :], "65,535 x 65,535 pixels"),
        (lambda data, at: data[:at] + b";", "is a GIF without a picture"),
    ],
)
def test_what_is_wrong_with_a_gif_is_said(change, problem):
    file = io.BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(file, "GIF")
    data = file.getvalue()
    found = problem_of("1.gif", change(data, data.index(b",\0\0\0\0")))
    assert found is None if problem is None else problem in found


def test_a_table_cut_at_a_lines_end_is_found_by_its_hash(remote, host, pokeapi):
    right = LocalSource(pokeapi).read(TABLE)
    host.faults[TABLE.path] = [right[: right.index(b"\n", len(right) // 2) + 1]]
    assert dataclasses.replace(remote, tree_url=host.url).read(TABLE) == right


def test_damage_in_the_cache_is_mended_and_said(remote, host, pokeapi, caplog):
    right = remote.read(CRY)
    [cached] = [path for path in remote.cache.rglob("*") if path.is_file()]
    cached.write_bytes(right[:-40])
    assert remote.read(CRY) == right == cached.read_bytes()
    assert f"{cached} in the cache of downloads does not end as an OGG does: fetched again" in caplog.text


def test_what_stays_damaged_is_an_error_that_names_file_cache_and_reason(remote, host):
    host.faults["1.gif"] = [b"<html>"] * 9
    with pytest.raises(ConnectionError, match=r"1\.gif in 3 attempts .*cache, the last one: the file does not begin"):
        remote.read(SPRITE)
    assert not [path for path in remote.cache.rglob("*") if path.is_file()]


def test_without_a_listing_files_are_checked_by_their_form(remote, host, caplog):
    host.faults["animated"] = [403]
    source = dataclasses.replace(remote, tree_url=host.url)
    host.faults["1.gif"] = [b"<html>"]
    assert source.read(SPRITE).startswith(b"GIF8")
    assert "files are checked by their form" in caplog.text


def test_a_host_that_drips_is_given_up(remote, host):
    host.faults["1.gif"] = ["drip"] * 3
    with pytest.raises(ConnectionError, match=r"bytes came in 0 s"):
        dataclasses.replace(remote, deadline_seconds=0.2, attempts=1).read(SPRITE)


def test_real_files_pass_the_checks(shared):
    for ending in ("gif", "ogg", "csv"):
        paths = sorted((shared / "data" / "pokeapi").rglob(f"*.{ending}"))
        assert paths
        for path in paths:
            content = path.read_bytes()
            assert problem_of(path.name, content) is None, path
            assert problem_of(path.name, content[: len(content) // 2]) or ending == "csv", path
