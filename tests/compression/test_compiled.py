"""What numba keeps of compiled loops belongs to the sources as they are."""

import os
from pathlib import Path

import pytest

from pixelbytes_hf.compression.counts import compiled, pixel_model


@pytest.mark.parametrize("base", [None, "elsewhere"])
def test_another_source_is_another_folder(tmp_path, monkeypatch, base):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    if base:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / base))
    (tmp_path / "caller.py").write_text("from callee import one")
    (tmp_path / "callee.py").write_text("one = 1")
    first = compiled.cache_folder(tmp_path)
    assert first == compiled.cache_folder(tmp_path) and first.is_relative_to(tmp_path / (base or "__pycache__"))
    (tmp_path / "callee.py").write_text("one = 2")
    assert compiled.cache_folder(tmp_path) != first


@pytest.mark.skipif(not compiled.IS_COMPILED, reason="numba is absent or switched off")
def test_loops_are_kept_there():
    folder = compiled.cache_folder(Path(pixel_model.__file__).parent)
    assert os.fspath(folder) in pixel_model.code_pixels._cache.cache_path
