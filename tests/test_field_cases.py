"""Inputs of the kinds that people report, kept beside the checkout."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_reported_kinds_of_input_are_handled(forks, shared):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PB_ROOT": str(ROOT)}
    script = "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    result = forks.run(script, shared / "field" / "cases.py", folder=ROOT, environment=environment)
    assert "FAILS" not in result.stdout, result.stdout
    assert result.stdout.splitlines()[-1].startswith("0 fail, "), result.stdout
