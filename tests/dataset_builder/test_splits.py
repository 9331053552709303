import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_builder.splits import SPLITS, assign_splits

families = st.lists(st.integers(0, 40), min_size=3).filter(lambda ids: len(set(ids)) >= 3)


@given(families, st.integers(0, 5))
def test_every_family_has_one_split_and_every_split_a_family(family_ids, seed):
    splits = assign_splits(family_ids, seed=seed)
    assert splits.keys() == set(family_ids)
    assert set(splits.values()) == set(SPLITS)


@given(families)
def test_order_of_records_does_not_matter(family_ids):
    assert assign_splits(family_ids) == assign_splits(family_ids[::-1])


def test_shares_are_eighty_ten_ten():
    family_ids = [index // 2 for index in range(490)]
    splits = assign_splits(family_ids)
    counts = {split: sum(splits[family] == split for family in family_ids) for split in SPLITS}
    assert counts["validation"] == pytest.approx(49, abs=2)
    assert counts["test"] == pytest.approx(49, abs=2)


def test_seeds_differ_and_repeat():
    family_ids = list(range(100))
    assert assign_splits(family_ids, seed=1) == assign_splits(family_ids, seed=1) != assign_splits(family_ids, seed=2)


def test_a_missing_record_moves_few_families():
    full, short = assign_splits(range(200)), assign_splits(set(range(200)) - {17})
    assert sum(full[family] != short[family] for family in short) <= 2


def test_too_few_families_are_refused():
    with pytest.raises(ValueError, match="at least 3 families to fill the splits, got 2"):
        assign_splits([1, 1, 2])
