"""The embedded corpus: procedural creatures whose attributes are known, from code and a seed alone.

A family is a (colour, shape, element); its members differ in size, pose and pitch. Held-out families therefore ask for
known words in combinations that were never trained on. Every colour, shape and element still occurs in training.
"""

import io
import itertools
from collections.abc import Iterator

import numpy as np

from pixelbytes_hf.media.gif_writer import write_gif

from .creatures import ATTRIBUTES, CRY_RATE_HZ, FRAME_DURATION_MS, Attributes, cry, describe, draw
from .record import MediaFile, Record, encode_flac

FAMILY_ATTRIBUTES = ("colour", "shape", "element")
MEMBER_ATTRIBUTES = ("size", "pose", "pitch")
DEFAULT_NUM_CREATURES = 2048
NUM_FAMILIES = int(np.prod([len(ATTRIBUTES[name]) for name in FAMILY_ATTRIBUTES]))
MAX_NUM_CREATURES = int(np.prod([len(values) for values in ATTRIBUTES.values()]))


def draw_attributes(num_creatures: int, *, seed: int = 0) -> Iterator[tuple[int, Attributes]]:
    """Yield (family id, attributes) of each creature; no two are alike, families are of equal size or nearly.

    Raises:
        ValueError: If `num_creatures` is under 1 or over the number of different creatures.
    """
    if not 1 <= num_creatures <= MAX_NUM_CREATURES:
        raise ValueError(f"num_creatures must be 1 to {MAX_NUM_CREATURES}, got {num_creatures}")
    families = list(itertools.product(*(ATTRIBUTES[name] for name in FAMILY_ATTRIBUTES)))
    members = list(itertools.product(*(ATTRIBUTES[name] for name in MEMBER_ATTRIBUTES)))
    orders = [np.random.default_rng((seed, family)).permutation(len(members)) for family in range(NUM_FAMILIES)]
    for index in range(num_creatures):
        family = index % NUM_FAMILIES
        member = members[orders[family][index // NUM_FAMILIES]]
        drawn = dict(zip(FAMILY_ATTRIBUTES + MEMBER_ATTRIBUTES, families[family] + member, strict=True))
        yield family, {name: drawn[name] for name in ATTRIBUTES}


def make_record(creature_id: int, family_id: int, attributes: Attributes, *, seed: int = 0) -> Record:
    """Return a creature as a record.

    Args:
        creature_id: Id, at least 0; with `seed` it decides everything the attributes leave open.
        family_id: Family.
        attributes: A value of `ATTRIBUTES` for each name.
        seed: Seed of the corpus, at least 0.

    Raises:
        ValueError: If an attribute is missing or unknown.
    """
    creature_seed = seed * MAX_NUM_CREATURES + creature_id
    gif = io.BytesIO()
    write_gif(draw(attributes, creature_seed), gif, durations_ms=FRAME_DURATION_MS)
    sprite = MediaFile(bytes=gif.getvalue(), path=f"{creature_id}.gif")
    flac = encode_flac(cry(attributes, creature_seed).T, sampling_rate=CRY_RATE_HZ)
    return Record(
        id=creature_id,
        name=f"creature {creature_id}",
        text=describe(attributes, creature_seed),
        sprite=sprite,
        # already small, in NES colours and on white
        pixels=sprite,
        audio=MediaFile(bytes=flac, path=f"{creature_id}.flac"),
        types=[attributes["element"]],
        generation=1,
        family_id=family_id,
        sampling_rate=CRY_RATE_HZ,
        attributes=dict(attributes),
    )
