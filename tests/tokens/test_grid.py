"""Segments and their raster stream: what is refused."""

import numpy as np
import pytest

from pixelbytes_hf.tokens.grid import Segment, audio_segment, check_ids, flatten, image_segment


@pytest.mark.parametrize(
    ("ids", "error"), [([0, 151], ValueError), ([-1], ValueError), ([0.5], TypeError), ([[1]], ValueError)]
)
def test_ids_outside_the_vocabulary_are_refused(paper, ids, error):
    with pytest.raises(error, match="ids"):
        check_ids(np.array(ids), paper)


def test_empty_grids_are_refused(paper):
    with pytest.raises(ValueError, match="image ids"):
        image_segment(np.zeros((0, 2, 2), int), paper)
    with pytest.raises(ValueError, match="audio ids"):
        audio_segment(np.zeros((0, 2), int), paper)
    with pytest.raises(ValueError, match="segments"):
        flatten([])
    assert Segment("text", np.zeros((1, 1, 3), int)).shape.size == 3
