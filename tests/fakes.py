"""Models whose answers are prepared, so that what a sampler does with them is known exactly; records in a list."""

from types import SimpleNamespace

import numpy as np
import torch
from transformers import PreTrainedModel

from pixelbytes_hf.generation.generation_pixelbytes import PixelBytesGenerationMixin
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import PixelBytesOutput
from pixelbytes_hf.objectives.objectives import build_objective
from pixelbytes_hf.tokens.grid import (
    audio_code_segment,
    audio_segment,
    flatten,
    image_code_segment,
    image_segment,
    task_segment,
    text_segment,
)
from pixelbytes_hf.tokens.vocabulary import RESERVED_NAMES, Vocabulary


class CountingCache:
    """Remembers how many rows were read."""

    def __init__(self):
        self.num_read = 0

    def get_seq_length(self):
        return self.num_read


class ScriptedModel(PreTrainedModel, PixelBytesGenerationMixin):
    """Answers row n with `script[n]`, whatever the row holds, and keeps the rows it was given in `seen`."""

    config_class = PixelBytesConfig
    main_input_name = "input_ids"
    _is_stateful = True

    def __init__(self, script, **settings):
        """`script` is (L, V), or (L, N, V) for the autoregressive objective."""
        super().__init__(PixelBytesConfig(embedding_dim=6, mixer_config={"hidden_size": 1}, **settings))
        self.script, self.seen = script, []
        self.weight = torch.nn.Parameter(torch.zeros(1))  # tells the device
        self.objective = build_objective(self.config)
        self.model = SimpleNamespace(mixer=SimpleNamespace(step=None))
        self.post_init()

    def new_cache(self):
        return CountingCache()

    def forward(self, input_ids, attention_mask=None, past_key_values=None, use_cache=None, labels=None, **kwargs):
        start = past_key_values.num_read if past_key_values is not None else 0
        self.seen += input_ids.flatten(0, 1).tolist()
        if past_key_values is not None:
            past_key_values.num_read += input_ids.shape[1]
        logits = self.script[start : start + input_ids.shape[1]]
        return PixelBytesOutput(logits=logits.expand(len(input_ids), *logits.shape), past_key_values=past_key_values)

    def step(self, context, cache):
        return self(context[:, None], past_key_values=cache).logits[:, -1]


def script_of(ids, num_ids=151, *, start=0, confidence=50.0):
    """Return logits (start + len(ids), V) whose row start + n is all but certain of ``ids[n]``."""
    script = torch.zeros(start + len(ids), num_ids)
    script[torch.arange(start, start + len(ids)), torch.tensor(ids)] = confidence
    return script


class FakeCorpus:
    """Records of different lengths in a list."""

    fingerprint = "abc"

    def __init__(self, seed=0, lengths=(7, 3, 30, 0, 12)):
        rng, self.vocabulary, self.records = np.random.default_rng(seed), Vocabulary.from_preset("paper"), []
        for length in lengths:
            segments = [text_segment(rng.integers(3, 58, length + 2), self.vocabulary)]
            if length:
                segments.append(image_segment(rng.integers(58, 61, (3, 2, 4)), self.vocabulary))
                segments.append(audio_segment(rng.integers(113, 151, (length, 2)), self.vocabulary))
            self.records.append(flatten(segments))

    @property
    def num_records(self):
        return len(self.records)

    @property
    def num_tokens(self):
        return sum(len(ids) for ids, _ in self.records)

    def record(self, index):
        return self.records[index]


def random_segments(rng, vocabulary):
    """Return a text, an image and a sound of random ids and extents, or some of them, in any order.

    Of a vocabulary with codes, perhaps a task and segments of codes too.
    """

    def draw(ids, *shape):
        return rng.integers(ids.start, ids.stop, shape)

    letters = np.array([i for i in vocabulary.byte_ids if i > 2])
    segments = [
        text_segment(rng.choice(letters, rng.integers(0, 9)), vocabulary),
        image_segment(draw(vocabulary.pixel_ids, *rng.integers(1, 5, 3)), vocabulary),
        audio_segment(draw(vocabulary.level_ids, rng.integers(1, 9), rng.integers(1, 4)), vocabulary),
    ]
    if vocabulary.codes.image:
        segments.append(image_code_segment(rng.integers(0, vocabulary.codes.image, rng.integers(1, 4, 3)), vocabulary))
    if levels := vocabulary.codes.audio:
        num_levels = rng.integers(1, len(levels) + 1)
        codes = rng.integers(0, levels[:num_levels], (rng.integers(1, 6), num_levels))
        segments.append(audio_code_segment(codes, vocabulary))
    if vocabulary.specials and len(segments) > 3:
        segments.append(task_segment(rng.choice(RESERVED_NAMES, rng.integers(1, 4)).tolist(), vocabulary))
    return [segments[n] for n in rng.permutation(len(segments))[: rng.integers(1, len(segments) + 1)]]
