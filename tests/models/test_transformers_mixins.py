"""transformers' own tests of models, tokenizers and configurations, from its source distribution, over our classes."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
import transformers

PIP = [sys.executable, "-m", "pip", "--quiet"]
pytestmark = pytest.mark.slow


def fetch(*words, folder):
    """Run pip, or skip where it does not reach the package index."""
    done = subprocess.run([*PIP, *words], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"the package index is out of reach: {done.stderr.strip().splitlines()[-1]}")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Return the unpacked source of the installed transformers, beside what its tests import."""
    folder = tmp_path_factory.mktemp("transformers")
    version = f"transformers=={transformers.__version__}"
    fetch("download", "--no-binary", ":all:", "--no-deps", version, folder=folder)
    fetch("install", "--no-deps", "--target", str(folder / "beside"), "parameterized", folder=folder)
    [archive] = folder.glob("transformers-*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    [root] = (path for path in folder.glob("transformers-*") if path.is_dir())
    (root / "tests" / "__init__.py").touch()  # left out, and they import each other
    return root


def test_transformers_own_tests_hold(source):
    ours, report = Path(__file__).with_name("mixins_of_transformers.py"), source / "report.xml"
    (source / "lone.ini").write_text("[pytest]\n")
    words = ["-q", "-W", "ignore", "-p", "no:cacheprovider", "-c", "lone.ini", f"--confcutdir={source}"]
    places = [str(source), str(source.parent / "beside"), str(Path(__file__).parents[2])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(ours), *words, f"--junitxml={report}", "--tb=short"],
        cwd=source,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    [suite] = ElementTree.parse(report).iter("testsuite")
    passed = int(suite.get("tests")) - int(suite.get("skipped"))
    print(f"{passed} tests and subtests passed, {suite.get('skipped')} skipped")
    assert passed > 300
