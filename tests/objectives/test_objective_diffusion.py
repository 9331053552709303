"""The paper's diffusion objective: its logits and its sampling, against outputs of the unmodified code."""

import json
import zlib

import numpy as np
import pytest
import torch

from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from pixelbytes_hf.objectives.objective_diffusion import DiffusionObjective, replace_cells
from pixelbytes_hf.objectives.objectives import build_objective
from pixelbytes_hf.objectives.published_diffusion import betraying_cells, generate_as_published

NAMES = ["apx_diffusion_small_bi", "apx_diffusion_control"]
CASES = ["t5", "t4", "t0", "default"]
V, L, N = 11, 7, 6


def recipe_weight(name, shape, seed):
    """Return the weight that models.json describes: uniform numbers from the name's checksum and the seed."""
    bound = 1 / np.sqrt(shape[-1]) if len(shape) > 1 else 0.25
    state = np.random.RandomState((zlib.crc32(name.encode()) + seed) % 2**32)
    return torch.from_numpy(state.uniform(-bound, bound, shape).astype(np.float32))


def legacy_name(name):
    name = name.removeprefix("model.")
    if name.startswith("mixer.layers."):
        layer, name = name.removeprefix("mixer.layers.").split(".lstm.")
        name = "sequence_model." + name.replace("_l0", f"_l{layer}")
    return name


@pytest.fixture(scope="module")
def references(shared):
    """Return model, entry of models.json and stored arrays of both checkpoints."""
    folder = shared / "parity" / "models"
    entries = {entry["id"]: entry for entry in json.loads((folder / "models.json").read_text())["models"]}
    found = {}
    for name in NAMES:
        if (folder / name / "model.safetensors").exists():
            model = aPxBySequenceModel.from_pretrained(folder / name)
        else:
            model = aPxBySequenceModel(PixelBytesConfig.from_pretrained(folder / name))
            with torch.no_grad():
                for key, weight in model.named_parameters():
                    weight.copy_(recipe_weight(legacy_name(key), weight.shape, entries[name]["seed"]))
        with np.load(folder / name / "vectors.npz") as file:
            arrays = {key: torch.from_numpy(file[key]) for key in file}
        found[name] = model.eval(), entries[name], arrays
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_logits_are_the_papers(name, case, references):
    model, entry, arrays = references[name]
    assert sum(weight.numel() for weight in model.parameters()) == entry["params"]
    # the original marks what is kept, over the width of a row
    kept = arrays[f"{case}__m"].unflatten(2, (N, -1))[..., 0]
    corruption = {"times": arrays[f"{case}__t"], "replaced": kept == 0, "noise": arrays[f"{case}__noise"]}
    with torch.no_grad():
        logits = model(input_ids=arrays["input_ids"].long(), corruption=corruption).logits
    assert float((logits - arrays[f"{case}__logits"]).abs().max()) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_hidden_cells_are_the_papers(name, references):
    _, _, arrays = references[name]
    kept = arrays["default__m"].unflatten(2, (N, -1))[..., 0]
    replaced = betraying_cells(arrays["default__p"].flatten().tolist(), kept.shape[1])
    assert torch.equal(replaced.expand(kept.shape), kept == 0)


@pytest.mark.parametrize("temperature", [0, 1e-4])
@pytest.mark.parametrize("name", NAMES)
def test_published_generation_is_reproduced(name, temperature, references):
    model, entry, arrays = references[name]
    drawn = generate_as_published(
        model,
        arrays["input_ids"][:1].long(),
        entry["generate_positions"],
        noise=arrays["generate_noises_t5_to_t0"],
        temperature=temperature,
        generator=torch.Generator().manual_seed(0),
    )
    assert torch.equal(drawn, arrays["generate_t1e-4"].long())


def tiny():
    torch.manual_seed(0)
    settings = {"vocab_size": V, "embedding_dim": 12, "mixer_config": {"hidden_size": 5, "bidirectional": True}}
    return aPxBySequenceModel(PixelBytesConfig(objective="diffusion", **settings)).eval()


def drawn(batch=2, width=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        "times": torch.tensor([5, 3][:batch]),
        "replaced": torch.rand(batch, L, N, generator=generator) < 0.5,
        "noise": torch.randn(batch, L, width, generator=generator),
    }


IDS = torch.randint(0, V, (2, L, N), generator=torch.Generator().manual_seed(3))
LABELS = torch.randint(0, V, (2, L), generator=torch.Generator().manual_seed(4))


def test_cells_are_mixed_one_at_a_time():
    vectors, corruption = torch.randn(2, L, 12), drawn()
    mixed = replace_cells(vectors, corruption, 5)
    for b in range(2):
        kept_share = 1 - int(corruption["times"][b]) / 5
        for n in range(L):
            for d in range(12):
                expected = float(vectors[b, n, d])
                if corruption["replaced"][b, n, d // 2]:
                    expected = (1 - kept_share) * float(corruption["noise"][b, n, d]) + kept_share * expected
                assert float(mixed[b, n, d]) == pytest.approx(expected, abs=1e-6)


def test_fully_replaced_cell_has_no_influence():
    model, corruption = tiny(), drawn()
    corruption["times"][:] = 5
    other = torch.where(corruption["replaced"], (IDS + 1) % V, IDS)
    with torch.no_grad():
        one, two = (model(input_ids=ids, corruption=corruption).logits for ids in (IDS, other))
    assert torch.equal(one, two)


def test_loss_is_the_mean_over_all_cells():
    model, corruption = tiny(), drawn()
    labels = LABELS.clone()
    labels[1, 5:] = -100
    mask = (labels != -100).long()
    with torch.no_grad():
        output = model(input_ids=IDS, labels=labels, attention_mask=mask, corruption=corruption)
    total = [
        -float(output.logits[b, n, c].double().log_softmax(-1)[IDS[b, n, c]])
        for b in range(2)
        for n in range(L)
        for c in range(N)
        if mask[b, n]
    ]
    assert float(output.loss) == pytest.approx(np.mean(total), abs=1e-5)
    objective = model.objective
    parts = [
        objective.loss(output.logits[b : b + 1], IDS[b : b + 1], labels[b : b + 1], mask[b : b + 1], mask.sum())
        for b in range(2)
    ]
    assert float(sum(parts)) == pytest.approx(float(output.loss), abs=1e-6)
    assert torch.equal(objective.targets(IDS, None, mask), objective.targets(IDS, labels, mask))


def test_forward_draws_nothing():
    model, corruption = tiny(), drawn()
    model.train()
    state = torch.get_rng_state()
    one, two = (model(input_ids=IDS, corruption=corruption).logits for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(torch.get_rng_state(), state)


def test_generation_is_seeded_batched_and_local():
    model = tiny()
    first, second = (
        generate_as_published(model, IDS, [2, 6], generator=torch.Generator().manual_seed(1)) for _ in range(2)
    )
    assert torch.equal(first, second)
    kept = [0, 1, 4, 5]
    assert torch.equal(first[:, kept], IDS[:, kept])
    assert not torch.equal(first, IDS)
    noise = torch.randn(6, 2, L, 12)
    whole = generate_as_published(model, IDS, [1], noise=noise, temperature=0)
    for b in range(2):
        alone = generate_as_published(model, IDS[b : b + 1], [1], noise=noise[:, b : b + 1], temperature=0)
        assert torch.equal(alone[0], whole[b])


def test_objective_is_built_with_its_number_of_steps():
    config = PixelBytesConfig(objective="diffusion", num_diffusion_steps=9)
    assert build_objective(config) == DiffusionObjective(num_steps=9, newest_cell=5)
    assert PixelBytesConfig(objective="diffusion", mixer_config={"bidirectional": True}).mixer_config.bidirectional
    with pytest.raises(ValueError, match="num_diffusion_steps must be an integer of at least 1, got 0"):
        PixelBytesConfig(objective="diffusion", num_diffusion_steps=0)


@pytest.mark.parametrize("context_size", [9, 7])
def test_rows_that_do_not_end_with_the_newest_token_are_refused(context_size):
    with pytest.raises(ValueError, match=f"context_size must be .*got {context_size}"):
        PixelBytesConfig(objective="diffusion", context_size=context_size, embedding_dim=36)


def test_loss_of_what_was_not_corrupted_is_refused():
    with pytest.raises(ValueError, match=r"corruption must be given with labels and .*'diffusion', got None"):
        tiny()(input_ids=IDS, labels=LABELS)
    assert tiny()(input_ids=IDS).loss is None


def test_broken_corruption_is_refused():
    vectors, corruption = torch.zeros(2, L, 12), drawn()
    with pytest.raises(ValueError, match=r"corruption must have \['noise', 'replaced', 'times'\], got \['times'\]"):
        replace_cells(vectors, {"times": corruption["times"]}, 5)
    with pytest.raises(ValueError, match=r"corruption must fit vectors of shape \(2, 7, 10\)"):
        replace_cells(vectors[..., :10], corruption, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positions": []}, "positions must lie in 0..6"),
        ({"positions": [7]}, "positions must lie in 0..6"),
        ({"temperature": -1}, "temperature must be at least 0, got -1"),
        ({"noise": torch.zeros(5, 2, L, 12)}, r"noise must have shape \(6, 2, 7, 12\)"),
    ],
)
def test_published_generation_names_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        generate_as_published(tiny(), IDS, **{"positions": [0], **options})


def test_published_generation_needs_its_objective():
    model = aPxBySequenceModel(PixelBytesConfig(vocab_size=V, embedding_dim=12, mixer_config={"hidden_size": 5}))
    with pytest.raises(ValueError, match="model must have the objective 'diffusion', got 'predictive'"):
        generate_as_published(model, IDS, [0])
    with pytest.raises(ValueError, match="corruption must be None with the objective 'predictive'"):
        model(input_ids=IDS, corruption=drawn())
