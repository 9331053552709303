"""A folder of sprites of one's own becomes a corpus that `load_dataset` opens, from Python.

    python examples/own_folder.py my-sprites --out my-corpus
    pixelbytes train --dataset my-corpus --preset mini --output-dir runs/mine

The same as ``pixelbytes build --config folder --source my-sprites --out my-corpus``, which also shows what a model
will see. Every picture in the folder or below it is a record; what it shows is said by a table, by a text file of the
same name beside it, or by the name itself; a sound of the same name is its cry. What was made to fit or left out is
named.
"""

import argparse
from pathlib import Path

from dataset_builder import build
from dataset_builder.own_media import Fitting
from dataset_builder.record import Drop


def build_corpus(folder: str | Path, out: str | Path, *, max_side: int = 24, seed: int = 0) -> list[Drop]:
    """Write a corpus of a folder of pictures, whole or not at all, and return what was left out.

    Args:
        folder: Of the pictures.
        out: Folder to make.
        max_side: Longest side in pixels; a larger picture is shrunk.
        seed: Of the splits.

    Raises:
        FileExistsError: If `out` exists.
        ValueError: If there is no picture, or there are too few families to fill the splits.
    """
    report = build("folder", out, source=folder, seed=seed, fitting=Fitting(max_side=max_side), progress=False)
    return list(report.drops)


def main() -> None:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="your pictures")
    parser.add_argument("--out", required=True, help="folder to make")
    parser.add_argument("--max-side", type=int, default=24, help="longest side in pixels (default: %(default)s)")
    options = parser.parse_args()
    print(build("folder", options.out, source=options.folder, fitting=Fitting(max_side=options.max_side)))


if __name__ == "__main__":
    main()
