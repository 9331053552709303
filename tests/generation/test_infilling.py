"""In-filling: visible tokens come back, drawn ones are legal, the order and number of steps are as asked."""

import numpy as np
import pytest
import torch
from torch import nn

from pixelbytes_hf.generation.infilling import infill
from pixelbytes_hf.generation.layout import Audio, Image, Text
from pixelbytes_hf.generation.regions import hide, hide_channel, hide_frame, hide_half, hide_random, hide_span
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import PixelBytesOutput, aPxBySequenceModel
from pixelbytes_hf.objectives.objectives import build_objective
from pixelbytes_hf.tokens.grid import Shape, audio_segment, flatten, image_segment, text_segment
from pixelbytes_hf.tokens.places import locate_places
from pixelbytes_hf.tokens.vocabulary import KINDS, Vocabulary

PAPER = Vocabulary.from_preset("paper")
MASK = PAPER.size
CONFIG = PixelBytesConfig(
    objective="masked", context_size=7, embedding_dim=28, mixer_config={"hidden_size": 8, "bidirectional": True}
)


def make_record(seed=0, columns=4):
    rng = np.random.default_rng(seed)
    return [
        text_segment(rng.integers(3, 58, 6), PAPER),
        image_segment(rng.integers(58, 113, (3, 5, columns)), PAPER),
        audio_segment(rng.integers(113, 151, (6, 2)), PAPER),
    ]


SHAPES = flatten(make_record())[1]


def make_model(seed=0):
    torch.manual_seed(seed)
    return aPxBySequenceModel(CONFIG).eval()


class Oracle(nn.Module):
    """Knows the tokens of a record, is surer of the later ones, and keeps what it was shown."""

    def __init__(self, ids, confidence=None):
        super().__init__()
        self.config, self.objective, self.device = CONFIG, build_objective(CONFIG), torch.device("cpu")
        self.ids, self.seen = torch.from_numpy(ids.astype(np.int64)), []
        self.confidence = 0.1 * torch.arange(1.0, len(ids) + 1) if confidence is None else confidence

    def forward(self, input_ids, attention_mask=None, use_cache=None):
        self.seen.append(input_ids[0, :, -1].numpy() == MASK)
        logits = nn.functional.one_hot(self.ids, PAPER.size) * self.confidence[:, None]
        return PixelBytesOutput(logits=logits.float().expand(len(input_ids), *logits.shape))


def stream(segments):
    return flatten(segments)[0]


def test_places_are_those_of_the_encoded_record():
    for record in (
        make_record(),
        [image_segment(np.full((1, 1, 1), 60), PAPER)],
        [text_segment(np.array([9]), PAPER)],
    ):
        ids, shapes = flatten(record)
        np.testing.assert_array_equal(locate_places(shapes).kinds, PAPER.kind_of_id[ids])
    with pytest.raises(ValueError, match="shapes must not be empty"):
        locate_places([])


def test_regions_hide_what_they_name():
    places, total = locate_places(SHAPES), sum(shape.size for shape in SHAPES)
    image, sound = places.segments == 1, places.segments == 2
    expected = {
        "all": (hide(SHAPES), ~places.is_separator),
        "lower": (hide_half(SHAPES, 1, "lower"), image & (places.rows >= 3)),
        "upper": (hide_half(SHAPES, 1, "upper"), image & (places.rows < 2)),
        "left": (hide_half(SHAPES, 1, "left"), image & (places.columns < 2)),
        "right": (hide_half(SHAPES, 1, "right"), image & (places.columns >= 2)),
        "frame": (hide_frame(SHAPES, 1, 2), image & (places.frames == 2)),
        "channel": (hide_channel(SHAPES, 2, 1), sound & (places.columns == 1)),
        "span": (hide_span(SHAPES, 0, 1, 3), np.isin(np.arange(total), [1, 2])),
        "last": (hide(SHAPES, segment=2, frames=slice(-1, None)), sound & (places.frames == 5)),
    }
    for mask, wanted in expected.values():
        np.testing.assert_array_equal(mask, wanted & ~places.is_separator)
        assert mask.any()
    share = hide_random(SHAPES, 0.5, seed=1)
    assert share.sum() == np.ceil(0.5 * (~places.is_separator).sum())
    assert not share[places.is_separator].any()
    np.testing.assert_array_equal(share, hide_random(SHAPES, 0.5, seed=1))
    assert not np.array_equal(share, hide_random(SHAPES, 0.5, seed=2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hide(SHAPES, segment=3), r"segment must be in 0\.\.2, got 3"),
        (lambda: hide(SHAPES, segment=1, rows=slice(5, 9)), "no token of shapes .* lies in the region"),
        (lambda: hide_half(SHAPES, 1, "inner"), "side must be one of .*, got 'inner'"),
        (lambda: hide_half(SHAPES, 0, "left"), "of modality 'image' in .*, got 0"),
        (lambda: hide_channel(SHAPES, 1, 0), "of modality 'audio' in .*, got 1"),
        (lambda: hide_frame(SHAPES, 1, 3), "no token of shapes"),
        (lambda: hide_random(SHAPES, 0.0, 0), r"fraction must be in \(0, 1\], got 0.0"),
    ],
)
def test_regions_that_do_not_exist_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("order", ["confidence", "random"])
@pytest.mark.parametrize("temperature", [0, 1.0])
def test_visible_tokens_come_back_and_drawn_ones_are_legal(order, temperature):
    model, records = make_model(), [make_record(), make_record(1, columns=3)]
    masks = [hide_random(flatten(record)[1], 0.6, seed=n) for n, record in enumerate(records)]
    generator = torch.Generator().manual_seed(0)
    filled = infill(
        model, records, masks, PAPER, num_steps=5, order=order, temperature=temperature, generator=generator
    )
    for record, mask, got in zip(records, masks, filled, strict=True):
        before, after = stream(record), stream(got)
        assert after.dtype == before.dtype
        assert [segment.shape for segment in got] == [segment.shape for segment in record]
        np.testing.assert_array_equal(after[~mask], before[~mask])
        np.testing.assert_array_equal(PAPER.kind_of_id[after], PAPER.kind_of_id[before])
        assert (after[mask] != before[mask]).any()


def test_hidden_tokens_are_not_looked_at():
    model, record = make_model(), make_record()
    mask = hide_half(SHAPES, 1, "lower")
    ids = stream(record)
    other = [text_segment(ids[:6], PAPER), make_record(5)[1], record[2]]
    other[1].ids[:, :3] = record[1].ids[:, :3]
    one, two = (infill(model, [r], [mask], PAPER, temperature=0)[0] for r in (record, other))
    np.testing.assert_array_equal(stream(one), stream(two))


def test_draws_are_seeded_and_batches_equal_single_records():
    model, records = make_model(), [make_record(), make_record(1, columns=2)]
    masks = [hide(flatten(record)[1], segment=1) for record in records]
    drawn = [infill(model, records, masks, PAPER, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    ids = [[stream(record) for record in one] for one in drawn]
    for n in range(2):
        np.testing.assert_array_equal(ids[0][n], ids[1][n])
        assert not np.array_equal(ids[0][n], ids[2][n])
    together = infill(model, records, masks, PAPER, temperature=0)
    for record, mask, got in zip(records, masks, together, strict=True):
        (alone,) = infill(model, [record], [mask], PAPER, temperature=0)
        np.testing.assert_array_equal(stream(alone), stream(got))


@pytest.mark.parametrize("num_steps", [1, 4, 12, 500])
def test_steps_follow_the_cosine_and_the_surest_stay_first(num_steps):
    ids = stream(make_record())
    oracle, mask = Oracle(ids), hide(SHAPES)
    (filled,) = infill(oracle, [make_record(3)], [mask], PAPER, num_steps=num_steps, temperature=0)
    np.testing.assert_array_equal(stream(filled), ids)
    num_hidden = int(mask.sum())
    for step, seen in enumerate(oracle.seen):
        # the oracle is surer of later tokens: those still hidden are the first
        np.testing.assert_array_equal(seen, mask & (np.cumsum(mask) <= seen.sum()))
        share = np.cos(np.pi / 2 * step / num_steps)
        assert seen.sum() <= np.floor(num_hidden * share + 1e-9)
    assert len(oracle.seen) == min(num_steps, len(oracle.seen))
    assert num_steps == 500 or len(oracle.seen) == num_steps


def test_random_order_does_not_follow_confidence():
    oracle, mask = Oracle(stream(make_record())), hide(SHAPES)
    infill(
        oracle,
        [make_record()],
        [mask],
        PAPER,
        num_steps=4,
        order="random",
        generator=torch.Generator().manual_seed(0),
    )
    seen = oracle.seen[1]
    assert not np.array_equal(seen, mask & (np.cumsum(mask) <= seen.sum()))


def test_low_temperature_takes_the_likeliest_and_marks_follow_the_shapes():
    ids = stream(make_record())
    everything = np.ones(len(ids), bool)
    oracle = Oracle(ids, confidence=torch.full((len(ids),), 5.0))
    (cold,) = infill(oracle, [make_record(2)], [everything], PAPER, temperature=0.05)
    np.testing.assert_array_equal(stream(cold), ids)
    (hot,) = infill(oracle, [make_record(2)], [everything], PAPER, temperature=50.0)
    assert (stream(hot) != ids).any()
    marks = locate_places(SHAPES).is_separator
    np.testing.assert_array_equal(stream(hot)[marks], ids[marks])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_steps": 0}, "num_steps must be at least 1, got 0"),
        ({"order": "left"}, "order must be one of .*, got 'left'"),
        ({"temperature": -1.0}, "temperature must be at least 0, got -1.0"),
        ({"masks": []}, "masks must be one for each of at least one record, got 0 for 1"),
        ({"masks": [np.ones(3, bool)]}, r"a mask must be bool of shape \(\d+,\), got bool of shape \(3,\)"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    arguments = {"masks": [hide(SHAPES)], **options}
    with pytest.raises(ValueError, match=message):
        infill(make_model(), [make_record()], arguments.pop("masks"), PAPER, **arguments)


def test_other_objectives_are_refused():
    model = aPxBySequenceModel(PixelBytesConfig(embedding_dim=12, mixer_config={"hidden_size": 8}))
    with pytest.raises(ValueError, match="model must have an objective that decodes in parallel, got 'predictive'"):
        infill(model, [make_record()], [hide(SHAPES)], PAPER)
    assert KINDS[locate_places([Shape("text", 1, 1, 1)]).kinds[0]] == "segment_end"


LAYOUT = [Text(max_length=4), Image(frames=2, height=3, width=2), Audio(samples=3)]


def test_layout_is_generated_in_a_few_passes():
    model = make_model()
    one, same, other = (
        model.generate(layout=LAYOUT, do_sample=True, seed=seed, num_steps=4, order="random") for seed in (1, 1, 2)
    )
    assert one.shape == (1, 5 + 18 + 8)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    shapes = [Shape("text", 1, 1, 5), Shape("image", 2, 3, 3), Shape("audio", 4, 1, 2)]
    np.testing.assert_array_equal(PAPER.kind_of_id[one[0].numpy()], locate_places(shapes).kinds)
    assert torch.equal(model.generate(layout=LAYOUT), model.generate(layout=LAYOUT, temperature=5.0))  # greedy


def test_prompts_are_kept_and_padded_on_the_left():
    model = make_model()
    prompts = [stream(make_record()[:1]), stream([text_segment(np.array([7, 8]), PAPER)])]
    labels = torch.full((2, 7), -100)
    labels[0], labels[1, 4:] = torch.from_numpy(prompts[0].astype(int)), torch.from_numpy(prompts[1].astype(int))
    tokens = model.generate(labels=labels, layout=Image(height=2, width=2))
    assert tokens.shape == (2, 7 + 6)
    assert torch.equal(tokens[0, :7], labels[0])
    assert tokens[1, :7].tolist() == [0, 0, 0, 0, 7, 8, 2]
    alone = model.generate(labels=labels[1:, 4:], layout=Image(height=2, width=2))
    assert torch.equal(alone[0], tokens[1, 4:])


def test_given_channel_is_kept():
    given = [113, 120, 150]
    tokens = make_model().generate(layout=Audio(given={0: given}), do_sample=True, seed=0)
    assert tokens[0, :6:2].tolist() == given
    assert all(token in PAPER.level_ids for token in tokens[0, 1:6:2].tolist())


def test_method_fills_as_the_function_does():
    model, mask = make_model().train(), hide(SHAPES)
    (one,) = model.infill([make_record()], [mask], seed=3)
    assert model.training
    (two,) = infill(model.eval(), [make_record()], [mask], PAPER, generator=torch.Generator().manual_seed(3))
    np.testing.assert_array_equal(stream(one), stream(two))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "the objective 'masked' needs layout"),
        ({"layout": Text(continues=True)}, "expected continues=False"),
        ({"layout": Text(max_length=2), "labels": torch.tensor([[5, 6]])}, "a prompt must consist of whole segments"),
        ({"layout": Text(max_length=2), "input_ids": torch.zeros(1, 1, 7)}, "prompts as labels"),
        ({"layout": Text(max_length=2), "num_beams": 2}, "does not support num_beams with the objective 'masked'"),
        ({"layout": Text(max_length=2), "context": "model"}, "context must be 'exact' .* 'masked'.*got 'model'"),
        ({"layout": Text(max_length=2), "streamer": object()}, "streamer None with .*got 'exact' and object"),
    ],
)
def test_generation_that_is_not_possible_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_model().generate(**arguments)


def test_open_extents_take_their_bounds():
    layout = [Image(max_height=2, max_width=3), Audio(max_samples=4)]
    assert make_model().generate(layout=layout).shape == (1, 2 * 4 + 5 * 2)


def test_papers_diffusion_draws_layouts_from_noise():
    torch.manual_seed(0)
    config = PixelBytesConfig(objective="diffusion", embedding_dim=12, mixer_config={"hidden_size": 8})
    model = aPxBySequenceModel(config).eval()
    prompt = torch.from_numpy(stream([text_segment(np.array([7, 8]), PAPER)]).astype(int))[None]
    one, same, other = (
        model.generate(labels=prompt, layout=LAYOUT[1:], do_sample=True, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(one[:, :3], prompt)
    shapes = [Shape("text", 1, 1, 3), Shape("image", 2, 3, 3), Shape("audio", 4, 1, 2)]
    np.testing.assert_array_equal(PAPER.kind_of_id[one[0].numpy()], locate_places(shapes).kinds)
    with pytest.raises(ValueError, match="does not support num_steps with the objective 'diffusion'"):
        model.generate(layout=LAYOUT, num_steps=3)
