"""The one small vocabulary: bytes, colours and amplitude levels as consecutive ids.

Knows the tables and which id stands for what; knows nothing about files, grids or models.

Ids come in the order specials, bytes, transparent, colours, levels. The ``paper`` preset has 58 bytes (0-57), 55 NES
colours (58-112) and 38 levels (113-150), and lets three bytes double as layout: 0x00 pads, 0x09 ends a row, 0x0A ends
a frame or a segment. The ``full`` preset gives layout ids of its own, so that text and layout never collide.

Source: Furfaro 2024 and pixelbytes/tokenizer.py of fabienfrfr/PixelBytes@7646d6a; same tables, same order.
"""

import itertools
import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Preset = Literal["paper", "full"]
Kind = Literal["text", "pixel", "level", "row_end", "segment_end", "special"]
KINDS: tuple[Kind, ...] = ("text", "pixel", "level", "row_end", "segment_end", "special")
Colour = tuple[int, int, int]

PAPER_BYTES = b"\x00\t\n \"'()*,-+.0123456789\xc2\xa0:[];/%!abcdefghijklmnopqrstuvwxyz"
NES_CODES = """
000000 FCFCFC F8F8F8 BCBCBC 7C7C7C A4E4FC 3CBCFC 0078F8 0000FC B8B8F8 6888FC 0058F8 0000BC D8B8F8
9878F8 6844FC 4428BC F8B8F8 F878F8 D800CC 940084 F8A4C0 F85898 E40058 A80020 F0D0B0 F87858 F83800
A81000 FCE0A8 FCA044 E45C10 881400 F8D878 F8B800 AC7C00 503000 D8F878 B8F818 00B800 007800 B8F8B8
58D854 00A800 006800 B8F8D8 58F898 00A844 005800 00FCFC 00E8D8 008888 004058 F8D8F8 787878
"""
NES_COLOURS: tuple[Colour, ...] = tuple(
    (int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)) for code in NES_CODES.split()
)
PAPER_NUM_LEVELS = 38
MIN_LEVEL_GAP = 1e-9

FULL_SPECIALS: tuple[str, ...] = (
    *("<pad>", "<row>", "<end>", "<bos>", "<eos>", "<unk>", "<mask>", "<sep>", "<uncond>"),
    *(f"<reserved:{n}>" for n in range(23)),  # room for the task ids of later variants, so that no id ever moves
)
FULL_NUM_LEVELS = 255
MU_LAW = 255.0


@dataclass(frozen=True)
class Vocabulary:
    """Byte, colour and level tables, and the ids they occupy.

    Args:
        byte_values: Values in 0..255, in id order.
        colours: RGB triplets in 0..255, in id order.
        levels: Amplitudes in [-1, 1], strictly ascending.
        specials: Names of ids that belong to no modality; empty, or beginning with pad, row end, segment end.
        has_transparent: Whether an id stands for a transparent pixel (it precedes the colours).

    Raises:
        ValueError: If a table is empty, repeats an entry or leaves its range, or if no ids are left for layout.

    Example:
        >>> paper = Vocabulary.from_preset("paper")
        >>> paper.size, paper.tokens[32], paper.tokens[59], paper.tokens[132]
        (151, '<0x61>', '<#FCFCFC>', '<a:+0.027>')
    """

    byte_values: tuple[int, ...]
    colours: tuple[Colour, ...]
    levels: tuple[float, ...]
    specials: tuple[str, ...] = ()
    has_transparent: bool = False

    def __post_init__(self) -> None:
        for name in ("byte_values", "colours", "levels", "specials"):
            table = getattr(self, name)
            if len(set(table)) != len(table):
                raise ValueError(f"vocabulary table {name!r} repeats an entry: expected distinct entries")
        if not self.byte_values or not all(0 <= value <= 255 for value in self.byte_values):
            raise ValueError(f"byte_values must be in 0..255 and not empty, got {self.byte_values}")
        if not self.colours or not all(len(c) == 3 and all(0 <= v <= 255 for v in c) for c in self.colours):
            raise ValueError(f"colours must be RGB triplets in 0..255 and not empty, got {self.colours}")
        gaps = [b - a for a, b in itertools.pairwise(self.levels)]
        if not gaps or not min(gaps) >= MIN_LEVEL_GAP or not max(map(abs, self.levels)) <= 1:
            raise ValueError(
                f"levels must be at least 2, ascend by {MIN_LEVEL_GAP} or more and lie in [-1, 1], got {self.levels}"
            )
        if not self.specials and tuple(self.byte_values[:3]) != (0x00, 0x09, 0x0A):
            raise ValueError(
                "a vocabulary without specials lays out with its first three bytes: "
                f"expected 0x00, 0x09, 0x0A, got {[hex(value) for value in self.byte_values[:3]]}"
            )
        if self.specials and len(self.specials) < 3:
            raise ValueError(f"specials must begin with pad, row end and segment end, got {self.specials}")

    @classmethod
    def from_preset(cls, preset: Preset) -> "Vocabulary":
        """Return the ``paper`` (151 ids) or the ``full`` (607 ids) vocabulary.

        Raises:
            ValueError: If `preset` is neither.
        """
        if preset == "paper":
            levels = tuple(np.linspace(-1.0, 1.0, PAPER_NUM_LEVELS).tolist())
            return cls(tuple(PAPER_BYTES), NES_COLOURS, levels)
        if preset == "full":
            from .palette import FITTED_COLOURS

            return cls(tuple(range(256)), FITTED_COLOURS, mu_law_levels(FULL_NUM_LEVELS), FULL_SPECIALS, True)
        raise ValueError(f"preset must be 'paper' or 'full', got {preset!r}")

    @classmethod
    def from_dict(cls, tables: dict[str, Any]) -> "Vocabulary":
        """Return the vocabulary that `to_dict` described; lists become tuples.

        Args:
            tables: ``bytes`` (ints), ``colours`` (RGB lists), ``levels`` (floats), and optionally ``specials`` (names)
                and ``transparent`` (bool).

        Raises:
            ValueError: If a table is missing or a key is unknown.
        """
        required, optional = {"bytes", "colours", "levels"}, {"specials", "transparent"}
        if not required <= tables.keys() or not tables.keys() <= required | optional:
            raise ValueError(
                f"vocabulary must have keys {sorted(required)}, may have {sorted(optional)}, got {[*tables]}"
            )
        return cls(
            byte_values=tuple(int(value) for value in tables["bytes"]),
            colours=tuple((int(r), int(g), int(b)) for r, g, b in tables["colours"]),
            levels=tuple(float(value) for value in tables["levels"]),
            specials=tuple(tables.get("specials", ())),
            has_transparent=bool(tables.get("transparent", False)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the tables as JSON-able lists; the inverse of `from_dict`."""
        return {
            "bytes": list(self.byte_values),
            "colours": [list(colour) for colour in self.colours],
            "levels": list(self.levels),
            "specials": list(self.specials),
            "transparent": self.has_transparent,
        }

    @property
    def size(self) -> int:
        """Number of ids, V."""
        return self.level_ids.stop

    @property
    def byte_ids(self) -> range:
        """Ids of the bytes, those that double as layout included."""
        return range(len(self.specials), len(self.specials) + len(self.byte_values))

    @property
    def pixel_ids(self) -> range:
        """Ids of the pixels: the transparent one first, where there is one, then the colours."""
        return range(self.byte_ids.stop, self.byte_ids.stop + self.has_transparent + len(self.colours))

    @property
    def level_ids(self) -> range:
        """Ids of the amplitude levels, ascending."""
        return range(self.pixel_ids.stop, self.pixel_ids.stop + len(self.levels))

    @property
    def transparent_id(self) -> int | None:
        """Id of a transparent pixel, or None."""
        return self.pixel_ids.start if self.has_transparent else None

    @property
    def pad_id(self) -> int:
        """Id of padding and of a cell outside the grid."""
        return 0

    @property
    def row_end_id(self) -> int:
        """Id that ends a row."""
        return 1

    @property
    def segment_end_id(self) -> int:
        """Id that ends a frame or a segment."""
        return 2

    @cached_property
    def text_is_lossless(self) -> bool:
        """Whether every byte has an id that is not layout, so that text needs no normalisation."""
        return bool(self.specials) and len(self.byte_values) == 256

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the tables in hex: equal for equal vocabularies, on any machine."""
        return sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    @cached_property
    def id_dtype(self) -> np.dtype[Any]:
        """Smallest unsigned dtype that holds every id: one byte in the ``paper`` preset."""
        return np.dtype(np.uint8 if self.size <= 256 else np.uint16)

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """Token string of every id, (V,): ``<0x41>``, ``<#FCFCFC>``, ``<a:+0.027>``."""
        digits = next(d for d in range(3, 17) if len({round(level, d) for level in self.levels}) == len(self.levels))
        return (
            *self.specials,
            *(f"<0x{value:02X}>" for value in self.byte_values),
            *(("<transparent>",) if self.has_transparent else ()),
            *("<#{:02X}{:02X}{:02X}>".format(*colour) for colour in self.colours),
            *(f"<a:{round(level, digits) + 0.0:+.{digits}f}>" for level in self.levels),
        )

    @cached_property
    def kind_of_id(self) -> NDArray[np.uint8]:
        """Index into `KINDS` for every id, (V,) uint8."""
        kinds = np.full(self.size, KINDS.index("special"), np.uint8)
        kinds[self.byte_ids.start : self.byte_ids.stop] = KINDS.index("text")
        kinds[self.pixel_ids.start : self.pixel_ids.stop] = KINDS.index("pixel")
        kinds[self.level_ids.start : self.level_ids.stop] = KINDS.index("level")
        kinds[self.pad_id] = KINDS.index("special")
        kinds[self.row_end_id] = KINDS.index("row_end")
        kinds[self.segment_end_id] = KINDS.index("segment_end")
        return kinds


def mu_law_levels(num_levels: int) -> tuple[float, ...]:
    """Return an odd number of mu-law spaced amplitudes in [-1, 1]: fine near zero, and zero is one of them.

    Raises:
        ValueError: If `num_levels` is even or under 3.

    Example:
        >>> [round(level, 3) for level in mu_law_levels(5)]
        [-1.0, -0.059, 0.0, 0.059, 1.0]
    """
    if num_levels < 3 or num_levels % 2 == 0:
        raise ValueError(f"num_levels must be odd and at least 3, so that zero is a level, got {num_levels}")
    position = np.linspace(-1.0, 1.0, num_levels)
    levels = np.sign(position) * np.expm1(np.abs(position) * np.log1p(MU_LAW)) / MU_LAW
    return tuple(np.clip(levels, -1.0, 1.0).tolist())
