"""Odd calls, mutated media and command lines: a result or a refusal, in bounded time and memory."""

import contextlib
import io
import shlex

import numpy as np
import pytest
from fuzzing import ODD_VALUES, mutate_bytes, run_cases
from PIL import Image

from pixelbytes_hf.cli.main import main
from pixelbytes_hf.models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from pixelbytes_hf.tokens.parsing import parse
from pixelbytes_hf.tokens.vocabulary import Vocabulary

DTYPES = (
    *("uint8", "int8", "int64", "uint64", "float16", "float32", "float64", "bool", "complex64", "object", "<U3"),
    *("S3", "datetime64[s]", "timedelta64[s]"),
)
SHAPES = ((), (0,), (3,), (2, 3), (0, 3), (2, 2, 3), (2, 2, 4), (1, 2, 2, 4), (2, 2, 2, 2, 2), (1, 0, 2, 3), (9, 4))
ODD_ARRAYS = (
    *(*ODD_VALUES[:-2], np.nan, "missing.png", b"", b"GIF89a", object(), {"bytes": None, "path": None}),
    *([[1, 2], [3]], [[0.5, "a"]], [[[0, 0]]], [np.zeros((2, 2, 3))] * 2, (1, 2), {1}, range(3), np.float64(2), 1j),
    *({"bytes": b"x"}, {"path": 3}, {"array": [[1], []], "sampling_rate": 8000}, memoryview(b"abc"), np.zeros((2, 2))),
)
WORDS = (
    *("train", "evaluate", "compare", "generate", "presets", "push", "demo", "build", "--dataset", "--preset"),
    *(
        "mini",
        "absent",
        "--out",
        "--output-dir",
        "--text",
        "--layout",
        "text,image",
        '{"segments": 3}',
        "[",
        "{",
        "-1",
    ),
    *("1e400", "--seed", "--model", '{"vocab_size": 1e99}', "--split", "--window-length", "nan", "--keep", "0", "x/y"),
    *(
        "--dry-run",
        "--tokens",
        "--max-steps",
        "--betas",
        "[1]",
        "",
        "\0",
        "é",
        "--",
        "--private",
        "--top-p",
        "--config",
    ),
)


@pytest.mark.parametrize("preset", ["paper", "full"])
def test_fuzz_streams_are_parsed(preset):
    tables = Vocabulary.from_preset(preset)

    def attempt(rng):
        size = rng.choice((0, 1, 5, 60))
        ids = np.array([rng.randrange(tables.size) for _ in range(size)], tables.id_dtype)
        if rng.random() < 0.2:
            ids = odd_array(rng)
        segments, problems = parse(ids, tables)
        assert sum(segment.ids.size for segment in segments) <= len(ids) + len(segments) * (len(ids) + 1)
        assert all(0 <= problem.start < problem.stop <= len(ids) for problem in problems)

    run_cases(0.15, attempt)


def test_fuzz_calls_of_the_tokenizer():
    tokenizers = [ActionPixelBytesTokenizer(), ActionPixelBytesTokenizer("full", sampling_rate_hz=2000)]

    def odd(rng):
        return odd_array(rng) if rng.random() < 0.6 else rng.choice(ODD_ARRAYS)

    def attempt(rng):
        tokenizer = rng.choice(tokenizers)
        given = {name: odd(rng) for name in ("text", "image", "audio") if rng.random() < 0.5}
        if rng.random() < 0.5:
            given["audio"] = {"array": odd(rng), "sampling_rate": rng.choice((8000, *ODD_VALUES))}
        encoded = tokenizer(**given)
        if rng.random() < 0.3 and not isinstance(encoded["labels"][0], list):
            tokenizer.decode_modalities(encoded["labels"])

    run_cases(0.12, attempt)


def test_fuzz_decoding():
    tokenizer = ActionPixelBytesTokenizer()

    def attempt(rng):
        read = rng.choice((tokenizer.decode_modalities, tokenizer.decode, tokenizer.batch_decode, tokenizer.pad))
        read(odd_array(rng) if rng.random() < 0.5 else rng.choice(ODD_ARRAYS))

    run_cases(0.03, attempt)


def test_fuzz_media_bytes(rng):
    tokenizer, sources = ActionPixelBytesTokenizer("full", sampling_rate_hz=2000), whole_media(rng)

    def attempt(random):
        name, data = random.choice(sources)
        tokenizer(**{name: mutate_bytes(data, random)})

    run_cases(0.2, attempt)


def test_fuzz_command_lines(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def attempt(rng):
        words = [rng.choice(WORDS[:8]), *(rng.choice(WORDS) for _ in range(rng.randrange(6)))]
        if words[0] in ("build", "demo"):  # they would go to work
            words = words[:1]
        with contextlib.suppress(SystemExit):
            assert main([words[0], "--traceback", *words[1:]]) == 0, shlex.join(words)

    run_cases(0.05, attempt)


def odd_array(rng):
    """Return an array of an odd shape, kind and content."""
    shape, kind = rng.choice(SHAPES), rng.choice(DTYPES)
    values = np.random.default_rng(rng.randrange(2**32)).integers(0, 300, shape)
    array = np.asarray(values).astype(kind) if kind != "uint8" else np.asarray(values % 256, np.uint8)
    if array.dtype.kind == "f" and array.size and rng.random() < 0.3:
        array.flat[0] = rng.choice((np.nan, np.inf, 6e4, -6e4))
    return array


def whole_media(rng):
    """Return media that can be read: modality and bytes."""
    import soundfile

    found = []
    frames = [Image.fromarray(rng.integers(0, 256, (5, 6, 3), np.uint8)) for _ in range(3)]
    for kind in ("GIF", "PNG"):
        file = io.BytesIO()
        frames[0].save(file, kind, save_all=True, append_images=frames[1:])
        found.append(("image", file.getvalue()))
    for kind, channels in (("WAV", 2), ("OGG", 1), ("FLAC", 2)):
        file = io.BytesIO()
        soundfile.write(file, rng.uniform(-1, 1, (300, channels)), 4000, format=kind)
        found.append(("audio", file.getvalue()))
    return found
