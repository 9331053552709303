"""Draw a folder of small sprites by code, to have something to fine-tune on.

    python examples/draw_invaders.py --out invaders
    python examples/fine_tune_sprites.py --run outputs/quickstart/run --sprites invaders --out outputs/invaders

Each is a random pattern with its mirror image, in one colour, and its file's name says which: ``red_robot_16.png``.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from dataset_builder.attributes import BACKGROUND, COLOURS

KINDS = ("invader", "robot", "ghost")
SIDE = 10
SHARE = 0.55  # of the pixels that are drawn


def draw_folder(out: str | Path, *, num_sprites: int = 96) -> list[Path]:
    """Draw sprites into a folder and return the files.

    Args:
        out: Made if absent.
        num_sprites: How many; colours and kinds take turns.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(num_sprites):
        colour = list(COLOURS)[number % len(COLOURS)]
        half = np.random.default_rng(number).random((SIDE, SIDE // 2)) < SHARE
        picture = np.full((SIDE, SIDE, 3), BACKGROUND, np.uint8)
        picture[np.concatenate([half, half[:, ::-1]], axis=1)] = COLOURS[colour]
        paths.append(folder / f"{colour}_{KINDS[number // len(COLOURS) % len(KINDS)]}_{number}.png")
        Image.fromarray(picture).save(paths[-1])
    return paths


def main() -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder to draw into")
    parser.add_argument("--num-sprites", type=int, default=96, help="how many (default: %(default)s)")
    options = parser.parse_args()
    paths = draw_folder(options.out, num_sprites=options.num_sprites)
    print(f"{len(paths)} sprites in {options.out}, for example {paths[0].name}")


if __name__ == "__main__":
    main()
