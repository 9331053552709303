"""What a model will see of a corpus, before anyone trains: colours, characters, tokens, and a sheet of pictures."""

from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation.figures import SheetRow, draw_contact_sheet
from ..media.pictures import composite_on_white, read_frames
from ..tokens.vocabulary import Vocabulary
from ..training.builders import build_tokenizer
from ..training.presets import get_preset
from .corpora import LOSSLESS, count_unreadable

SHEET_NAME = "contact_sheet.png"
MOST_ROWS = 24
TITLES = ("yours", "as the model sees it")


def preview_corpus(folder: Path, preset: str) -> str:
    """Draw a contact sheet into the folder of a corpus and return what a preset will see of it.

    Args:
        folder: A built corpus with the columns of a picture and a text.
        preset: Name of the preset whose tokenizer looks.
    """
    rows = _read_rows(folder)
    tokenizer = build_tokenizer(get_preset(preset))
    sizes: list[int] = []
    sheet: list[SheetRow] = []
    for row in rows:
        segments, infos = tokenizer.encode_record(text=row["text"], image=row["pixels"], audio=row["audio"])
        sizes.append(sum(segment.ids.size for segment in segments))
        if len(sheet) < MOST_ROWS:
            ids = np.concatenate([segment.ids.reshape(-1) for segment in segments])
            seen = tokenizer.decode_modalities(ids, infos).frames
            sheet.append(SheetRow(row["text"], composite_on_white(read_frames(row["pixels"]).array), seen))
    draw_contact_sheet(sheet, folder / SHEET_NAME, titles=TITLES)
    return "\n".join(
        [
            f"what the preset {preset} will see:",
            f"  colours: {_describe_colours(rows, tokenizer.tables)}",
            f"  characters: {count_unreadable((row['text'] for row in rows), tokenizer.tables) or 'none is lost'}",
            f"  tokens a record: {np.median(sizes):,.0f} in the middle, {max(sizes):,} at most, {sum(sizes):,} in all",
            f"  pictures: {folder / SHEET_NAME}",
        ]
    )


def _read_rows(folder: Path) -> list[dict[str, Any]]:
    import pyarrow.dataset

    files = sorted((folder / "data").glob("*.parquet"))
    table = pyarrow.dataset.dataset([str(file) for file in files]).to_table(columns=["text", "pixels", "audio"])
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _describe_colours(rows: list[dict[str, Any]], tables: Vocabulary) -> str:
    """Return how far the pictures' colours are from those of a vocabulary, and from those of the one with more."""
    from dataset_builder.fit_palette import mean_distance, sample_pixels

    pictures = [row["pixels"]["bytes"] for row in rows]
    pixels = sample_pixels([each for each in pictures if (read_frames(each).array[..., 3] > 0).any()], seed=0)
    own, other = (np.array(each.colours, np.uint8) for each in (tables, Vocabulary.from_preset(LOSSLESS)))
    distance = f"{mean_distance(pixels, own):.1f} to the nearest of {len(own)} in CIE Lab"
    if np.array_equal(own, other):
        return distance
    return f"{distance}; {mean_distance(pixels, other):.1f} of the {len(other)} of the vocabulary `{LOSSLESS}`"
