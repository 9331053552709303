import pytest
from loopback_store import Blob

from pixelbytes_hf.pretrained.cached_files import check_cached_checkpoint, is_damaged

COMMIT = "a" * 40
WEIGHTS, CONFIG = Blob(b"weights" * 99, is_large=True), Blob(b"{}")


@pytest.fixture
def cache(tmp_path):
    """Return a cache as the Hub's client lays it out, with a checkpoint at the root and one in a folder."""
    repository = tmp_path / "models--user--name"
    (repository / "blobs").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for folder in ("", "presets/mini"):
        snapshot = repository / "snapshots" / COMMIT / folder
        snapshot.mkdir(parents=True, exist_ok=True)
        for name, blob in {"config.json": CONFIG, "model.safetensors": WEIGHTS}.items():
            (repository / "blobs" / blob.etag).write_bytes(blob.data)
            (snapshot / name).symlink_to(repository / "blobs" / blob.etag)
    return tmp_path


def damage(cache, blob):
    path = cache / "models--user--name" / "blobs" / blob.etag
    path.write_bytes(b"x" * len(blob.data))
    return path


@pytest.mark.parametrize("place", [{}, {"revision": "main"}, {"revision": COMMIT}, {"subfolder": "presets/mini"}])
def test_whole_checkpoint_passes_and_a_damaged_one_is_taken_out(cache, place):
    check_cached_checkpoint("user/name", cache_dir=str(cache), **place)
    path = damage(cache, WEIGHTS)
    with pytest.raises(OSError, match=r"user/name: model\.safetensors came from the Hub with other bytes"):
        check_cached_checkpoint("user/name", cache_dir=str(cache), **place)
    assert not path.exists()
    snapshot = cache / "models--user--name" / "snapshots" / COMMIT / place.get("subfolder", "")
    assert [found.name for found in snapshot.iterdir() if found.name != "presets"] == ["config.json"]


def test_equal_files_are_taken_out_together(cache):
    """The cache keeps them once, and links to that."""
    snapshot = cache / "models--user--name" / "snapshots" / COMMIT
    (snapshot / "generation_config.json").symlink_to(damage(cache, CONFIG))
    with pytest.raises(OSError, match=r"user/name: config\.json, generation_config\.json came from the Hub"):
        check_cached_checkpoint("user/name", cache_dir=str(cache))
    assert [found.name for found in snapshot.iterdir() if found.name != "presets"] == ["model.safetensors"]


def test_name_that_stands_for_a_commit_is_understood(cache):
    class Resolved(str):
        resolved = COMMIT

    damage(cache, CONFIG)
    with pytest.raises(OSError, match=r"config\.json"):
        check_cached_checkpoint("user/name", revision=Resolved("v1"), cache_dir=str(cache))


def test_what_is_not_in_the_cache_is_not_judged(cache):
    damage(cache, WEIGHTS)
    check_cached_checkpoint("user/other", cache_dir=str(cache))
    check_cached_checkpoint("user/name", revision="b" * 40, cache_dir=str(cache))


def test_files_that_are_no_links_are_not_judged(tmp_path):
    path = tmp_path / COMMIT
    path.write_bytes(b"a name as long as a hash")
    assert not is_damaged(path)


def test_links_to_names_that_are_no_hashes_are_not_judged(tmp_path):
    (tmp_path / "bytes").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "bytes")
    assert not is_damaged(tmp_path / "link")
