"""Small changes of the code that a named test must notice; ``make mutants`` makes each in a copy of the tree.

A mutant is a file, text that stands in it once, what takes its place, and the test that must then fail.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "outputs", "build", "*.egg-info", "__pycache__", ".pytest_cache")


class Mutant(NamedTuple):
    """One change and the test that must fail over it."""

    file: str
    old: str
    new: str
    test: str


OPTIMISERS, MUON = (
    "pixelbytes_hf/training/optimisers.py",
    "training/test_optimisers.py::test_muon_equals_its_definition",
)
WIDE, CELLS = (
    "pixelbytes_hf/tokens/contexts.py",
    "tokens/test_contexts.py::test_wide_cells_are_where_they_are_said",
)
FILES, CHECKPOINTS = "pixelbytes_hf/runs/files.py", "runs/test_checkpoints.py"
LOSSES, PADDING = "pixelbytes_hf/objectives/losses.py", "objectives/test_objectives.py::test_padding_is_never_a_hit"
TEXT, PIXELS = "pixelbytes_hf/tokens/text_codec.py", "pixelbytes_hf/tokens/pixel_codec.py"
OPAQUE = "tokens/test_pixel_codec.py::test_half_an_alpha_divides_transparent_from_opaque"
WHITE = "tokens/test_pixel_codec.py::test_composites_on_white_are_rounded"
WINDOWS, ASKED = (
    "pixelbytes_hf/data/task_windows.py",
    "data/test_task_windows.py::test_what_is_asked_alone_is_a_target",
)
BACKBONES, PREFIX = (
    "pixelbytes_hf/mixers/backbones.py",
    "mixers/test_prefix.py::test_a_prefix_sees_itself_and_nothing_after_it",
)
MUTANTS = (
    Mutant(
        OPTIMISERS, "average.lerp_(parameter.grad, 1 - _MOMENTUM)", "average.lerp_(parameter.grad, _MOMENTUM)", MUON
    ),
    Mutant(OPTIMISERS, "parameter.grad.lerp(average, _MOMENTUM)", "average", MUON),
    Mutant(OPTIMISERS, ".reshape_as(parameter) * scale", ".reshape_as(parameter)", MUON),
    Mutant(OPTIMISERS, "blocks.shape[1] / blocks.shape[2]", "blocks.shape[2] / blocks.shape[1]", MUON),
    Mutant(WIDE, "Offset(0, -2, 0),", "Offset(0, -3, 0),", CELLS),
    Mutant(WIDE, "Offset(-2, 0, 0),", "Offset(-1, 0, 0),", CELLS),
    Mutant(WIDE, "range(2, 14)", "range(1, 13)", CELLS),
    Mutant(FILES, 'key=lambda path: path.name == "config.json"', "key=str", f"{CHECKPOINTS}::test_config_comes_last"),
    Mutant(
        FILES,
        "os.replace(file.name, target)",
        "shutil.copyfile(file.name, target)",
        f"{CHECKPOINTS}::test_a_reader_of_the_old_file_goes_on_reading_it",
    ),
    Mutant(LOSSES, "logits.argmax(-1) == targets", "logits.argmax(-1) == targets.clamp(min=0)", PADDING),
    Mutant(
        TEXT,
        "[*lower, normalizers.NFKD()]",
        "[normalizers.NFKD(), *lower]",
        "tokens/test_text_codec.py::test_capitals_that_normalisation_brings_stay_capitals",
    ),
    Mutant(PIXELS, "OPAQUE = 128", "OPAQUE = 127", OPAQUE),
    Mutant(PIXELS, "OPAQUE = 128", "OPAQUE = 129", OPAQUE),
    Mutant(WINDOWS, "labels[:num_given] = IGNORE_INDEX", "labels[: num_given - 1] = IGNORE_INDEX", ASKED),
    Mutant(BACKBONES, "masked_fill(prefix_mask == 0, -1)", "masked_fill(prefix_mask == 0, 0)", PREFIX),
    Mutant("pixelbytes_hf/media/pictures.py", "(weighted + 127) // 255", "weighted // 255", WHITE),
)


def main() -> int:
    """Return 0 if the tests pass as the tree is, and each mutant is noticed."""
    with tempfile.TemporaryDirectory(prefix="mutants_") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        if run_tests(tree, *sorted({mutant.test for mutant in MUTANTS})):
            print("the tests fail without a mutant")
            return 1
        alive = [mutant for mutant in MUTANTS if not is_noticed(tree, mutant)]
    for mutant in alive:
        print(f"alive: {mutant.file}: {mutant.old!r} -> {mutant.new!r} goes unnoticed by {mutant.test}")
    print(f"{len(MUTANTS) - len(alive)} of {len(MUTANTS)} mutants noticed")
    return 1 if alive else 0


def is_noticed(tree: Path, mutant: Mutant) -> bool:
    """Return whether the mutant's test fails over it; raises ValueError if the text does not stand there once."""
    path = tree / mutant.file
    content = path.read_text(encoding="utf-8")
    if content.count(mutant.old) != 1:
        raise ValueError(f"{mutant.file} must hold {mutant.old!r} once, got {content.count(mutant.old)} times")
    try:
        path.write_text(content.replace(mutant.old, mutant.new), encoding="utf-8")
        return run_tests(tree, mutant.test) == 1  # pytest's code for tests that failed; a bad name gives another
    finally:
        path.write_text(content, encoding="utf-8")


def run_tests(tree: Path, *tests: str) -> int:
    """Return pytest's exit code for some tests of a tree, whose own package is imported."""
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-x",
        "-p",
        "no:cacheprovider",
        *(f"tests/{test}" for test in tests),
    ]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
