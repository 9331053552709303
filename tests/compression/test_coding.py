"""Bits to bytes: constriction reads what is written, and the bytes are the shortest; the logistic tables are right."""

import constriction
import numpy as np
import pytest

from pixelbytes_hf.compression.counts.coding import BitReader, BitWriter, code_bit
from pixelbytes_hf.compression.counts.logistic import LIMIT, ONE, SQUASH, STRETCH, squash
from pixelbytes_hf.compression.counts.residuals import fold, num_digits, unfold

FAMILY = constriction.stream.model.Bernoulli(perfect=True)


def draw_bits(rng):
    """Return bits and probabilities: likely, unlikely, or as far from what was expected as they can be."""
    size = int(rng.integers(0, 120))
    probabilities = rng.choice((1, ONE - 1), size) if rng.random() < 0.4 else rng.integers(1, ONE, size)
    bits = rng.random(size) < probabilities / ONE if rng.random() < 0.7 else rng.random(size) < 0.5
    return bits.astype(np.int32), probabilities


def write(bits, probabilities):
    writer = BitWriter()
    for bit, probability in zip(bits.tolist(), probabilities.tolist(), strict=True):
        assert code_bit(writer.coder, bit, probability) == bit
    return writer.finish()


@pytest.mark.parametrize("seed", range(60))
def test_bits_come_back_and_constriction_reads_them(seed):
    bits, probabilities = draw_bits(np.random.default_rng(seed))
    data = write(bits, probabilities)
    reader = BitReader(data)
    assert [code_bit(reader.coder, 0, p) for p in probabilities.tolist()] == bits.tolist()
    words = np.frombuffer(data + bytes(-len(data) % 4), ">u4").astype(np.uint32)
    decoder = constriction.stream.queue.RangeDecoder(words)
    assert not len(bits) or np.array_equal(decoder.decode(FAMILY, (probabilities / ONE).astype(np.float32)), bits)


@pytest.mark.parametrize("seed", range(20))
def test_streams_are_as_short_as_their_probabilities_allow(seed):
    bits, probabilities = draw_bits(np.random.default_rng(seed))
    ideal = -np.log2(np.where(bits, probabilities, ONE - probabilities) / ONE).sum() / 8
    assert len(write(bits, probabilities)) <= ideal + 2


def test_no_shorter_bytes_would_do():
    rng = np.random.default_rng(0)
    for _ in range(30):
        bits, probabilities = draw_bits(rng)
        data = write(bits, probabilities)
        # of all streams one byte shorter those that differ in the last byte only
        for last in range(256 if len(data) > 1 else 0):
            reader = BitReader((data[:-2] + bytes([last])).rstrip(b"\0"))
            assert [code_bit(reader.coder, 0, p) for p in probabilities.tolist()] != bits.tolist()


def test_squash_is_the_logistic_function():
    stretched = np.arange(-LIMIT, LIMIT + 1)
    exact = ONE / (1 + np.exp(-stretched / 256))
    assert np.abs(np.array(SQUASH) - exact.clip(1, ONE - 1)).max() <= 0.501
    assert squash(10**6) == ONE - 1 and squash(-(10**6)) == 1


def test_stretch_is_its_inverse():
    probabilities = np.arange(1, ONE)
    exact = 256 * np.log(probabilities / (ONE - probabilities))
    middle = np.abs(exact) < 1500  # beyond, a probability of 16 bits stands for many stretched ones
    assert np.abs(np.array(STRETCH)[1:] - exact)[middle].max() <= 1.01


def test_residuals_fold_both_ways():
    assert [fold(value) for value in (0, -1, 1, -2, 2)] == [0, 1, 2, 3, 4]
    assert [unfold(fold(value)) for value in range(-300, 300)] == list(range(-300, 300))
    assert [num_digits(number) for number in (0, 1, 2, 255, 256)] == [0, 1, 2, 8, 9]
