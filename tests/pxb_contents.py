"""Contents of all shapes: pictures of any number of colours, animations, sounds, documents; one of each kind."""

import hashlib

import numpy as np

from pixelbytes_hf.compression.compress import compress, decompress  # noqa: F401 - for those who import all of this
from pixelbytes_hf.compression.contents import Document, Picture, SampledSound

SOUND_TYPES = ("uint8", "int16", "int32", "float32", "float64")


SPRITE = np.zeros((1, 8, 8, 4), np.uint8)
SPRITE[0, 2:6, 2:6] = (200, 30, 30, 255)
SPRITE[0, 3, 3:5] = (0, 0, 0, 255)
EXAMPLES = {
    "still": Picture(SPRITE),
    "animation": Picture(np.concatenate([SPRITE, np.roll(SPRITE, 1, 1), SPRITE]), (30, 30, 40), 0),
    "many colours": Picture(np.random.default_rng(0).integers(0, 256, (1, 15, 20, 4), dtype=np.uint8)),
    "moving values": Picture(np.arange(24, dtype=np.uint16).reshape(2, 3, 4, 1) * 999, (1, 2), 3),
    "sound": SampledSound((np.sin(np.arange(40)[:, None] * [0.3, 0.31]) * 3000).astype(np.int16), 8000, 16),
    "text": Document(b"a small round red fire beast jumping with a high cry.", ".txt"),
}


def draw_content(rng):
    """Return a content drawn at random."""
    return rng.choice((draw_picture, draw_picture, draw_deep_grey, draw_sound, draw_document))(rng)


def draw_picture(rng):
    """Return a picture: noise or patches, one colour or hundreds, with hidden colours, still or moving."""
    num_colours = int(rng.choice((1, 2, 3, 5, 16, 200, 256, 900, 2000)))
    num_frames = int(rng.choice((1, 1, 1, 2, 4)))
    height, width = (int(side) for side in rng.integers(1, 14, 2))
    colours = rng.integers(0, 256, (num_colours, 4), dtype=np.uint8)
    colours[rng.random(num_colours) < 0.6, 3] = rng.choice((0, 255))
    cells = rng.integers(0, num_colours, (num_frames, height, width))
    step = int(rng.integers(1, 5))
    cells = cells[:, ::step, ::step].repeat(step, 1).repeat(step, 2)[:, :height, :width]
    if rng.random() < 0.5:
        cells[1:] = cells[:1]
    return Picture(colours[cells], *_draw_times(rng, num_frames))


def draw_deep_grey(rng):
    """Return greys of 16 bits."""
    num_frames = int(rng.choice((1, 2)))
    shape = num_frames, *(int(side) for side in rng.integers(1, 9, 2)), 1
    return Picture(rng.integers(0, 1 << 16, shape).astype(np.uint16), *_draw_times(rng, num_frames))


def _draw_times(rng, num_frames):
    if num_frames == 1 and rng.random() < 0.6:
        return (0,), 1
    most = int(rng.choice((1, 100, 1 << 31)))
    return tuple(int(time) for time in rng.integers(0, most, num_frames)), int(rng.choice((0, 1, 7, 1 << 20)))


def draw_sound(rng):
    """Return a sound: any bits at all, NaN among them, or whole numbers or fractions that wander."""
    dtype = np.dtype(rng.choice(SOUND_TYPES))
    length, channels = int(rng.integers(1, 60)), int(rng.integers(1, 4))
    if rng.random() < 0.4:
        raw = rng.integers(0, 256, (length, channels * dtype.itemsize), dtype=np.uint8)
        array = raw.view(dtype)
    else:
        walk = rng.integers(-9, 10, (length, channels)).cumsum(0)
        array = walk / float(rng.choice((1, 128, 3))) if dtype.kind == "f" else walk.clip(0, 255) * 1
        array = array.astype(dtype)
    return SampledSound(array, int(rng.choice((1, 8000, 44100, 192000))), 8 * dtype.itemsize)


def draw_document(rng):
    """Return bytes at random, or words."""
    words = [b"red ", b"beast ", b"with ", "größe\n".encode(), bytes(rng.integers(0, 256, 9, dtype=np.uint8))]
    data = b"".join(words[index] for index in rng.integers(0, len(words), int(rng.integers(0, 40))))
    return Document(data, str(rng.choice(("", ".txt", ".gz"))))


def are_equal(one, other):
    """Return whether two contents are equal in every bit."""
    if type(one) is not type(other) or isinstance(one, Document):
        return one == other
    alike = one.array.dtype == other.array.dtype and one.array.shape == other.array.shape
    return alike and one.array.tobytes() == other.array.tobytes() and one[1:] == other[1:]


def digest_of_everything():
    """Return a digest of what sixty contents are compressed to."""
    rng = np.random.default_rng(1)
    digest = hashlib.sha256()
    for content in [draw_content(rng) for _ in range(60)] + list(EXAMPLES.values()):
        digest.update(compress(content))
    return digest.hexdigest()
