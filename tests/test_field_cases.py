"""Inputs of the kinds that people report, kept beside the checkout."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_reported_kinds_of_input_are_handled(shared):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PB_ROOT": str(ROOT)}
    command = [sys.executable, str(shared / "field" / "cases.py")]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "FAILS" not in result.stdout, result.stdout
    assert result.stdout.splitlines()[-1].startswith("0 fail, "), result.stdout
