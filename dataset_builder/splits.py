"""Which records train, validate and test: whole families, so that no relative of a test creature was trained on.

A family's place depends on the seed and its id alone, so that a missing species moves few others.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable

SPLITS = ("train", "validation", "test")
HELD_OUT_SHARES = {"validation": 0.1, "test": 0.1}


def assign_splits(family_ids: Iterable[int], *, seed: int = 0) -> dict[int, str]:
    """Return the split of every family: about 80% of the records train, 10% validate, 10% test.

    Args:
        family_ids: Family of each record; a family counts with as many records as it has.
        seed: Seed of the order in which families are held out.

    Returns:
        Split by family id. Each split has at least one family.

    Raises:
        ValueError: If there are fewer families than splits.

    Example:
        >>> sorted(assign_splits([1, 1, 2, 3]).values())
        ['test', 'train', 'validation']
    """
    sizes = Counter(family_ids)
    if len(sizes) < len(SPLITS):
        raise ValueError(f"family_ids must name at least {len(SPLITS)} families to fill the splits, got {len(sizes)}")
    waiting = sorted(sizes, key=lambda family: hashlib.sha256(f"{seed}:{family}".encode()).digest())
    splits = {}
    for position, (split, share) in enumerate(HELD_OUT_SHARES.items()):
        wanted, taken = share * sizes.total(), 0
        # one family at least stays behind for every split still to fill
        while taken == 0 or (taken + sizes[waiting[-1]] / 2 <= wanted and len(waiting) > len(SPLITS) - position):
            family = waiting.pop()
            splits[family] = split
            taken += sizes[family]
    return splits | dict.fromkeys(waiting, "train")
