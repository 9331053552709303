"""The two tasks: what a model reads and when, and the least-squares reference beside it."""

import numpy as np
import pytest
import torch

from dataset_builder.arx import fit_arx, predict_next_arx, simulate_arx
from pixelbytes_hf.control.signal_stream import SignalStream, expected_amplitudes, to_amplitudes, to_ids
from pixelbytes_hf.control.tasks import predict_next_states, simulate_states, steer, steer_by_prediction
from pixelbytes_hf.generation.layout import Audio
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from pixelbytes_hf.tokens.grid import audio_segment
from pixelbytes_hf.tokens.six_cells import gather_context
from pixelbytes_hf.tokens.vocabulary import Vocabulary

LEVELS = tuple((np.arange(-4, 5) / 4).tolist())
TABLES = Vocabulary((0, 9, 10), ((0, 0, 0),), LEVELS)


def make_model(objective="predictive"):
    torch.manual_seed(0)
    config = PixelBytesConfig(
        vocab_size=TABLES.size, objective=objective, embedding_dim=24, mixer_config={"hidden_size": 16}
    )
    model = aPxBySequenceModel(config).eval()
    # large weights, so that what is read matters
    for name, parameter in model.named_parameters():
        if "weight" in name and "embedding" not in name:
            parameter.data *= 5
    return model


@pytest.fixture(scope="module", params=["predictive", "autoregressive"])
def model(request):
    return make_model(request.param)


@pytest.fixture
def signals(rng):
    return to_amplitudes(to_ids(rng.uniform(-1, 1, (3, 12, 2)), TABLES), TABLES)


def slow_probabilities(model, ids):
    """Return the levels' probabilities (T, C, K) from the rows of the grid, one record, no cache."""
    segment = audio_segment(ids, TABLES)
    rows = torch.from_numpy(gather_context(segment.ids, pad_id=0).astype(np.int64))[None]
    with torch.no_grad():
        logits = model.objective.new_token_logits(model(input_ids=rows).logits)[0, : ids.size]
    return logits[:, TABLES.level_ids.start :].double().softmax(-1).view(*ids.shape, -1)


def test_ids_and_amplitudes_are_inverse(rng):
    ids = rng.integers(TABLES.level_ids.start, TABLES.level_ids.stop, (4, 5))
    assert np.array_equal(to_ids(to_amplitudes(ids, TABLES), TABLES), ids)
    assert to_ids(np.array([3.0, -3.0, 0.1]), TABLES).tolist() == [12, 4, 8]


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_known_rows_and_steps_read_what_the_grid_holds(model, rng, channels):
    ids = to_ids(rng.uniform(-1, 1, (2, 6, channels)), TABLES)
    expected = torch.stack([slow_probabilities(model, record) for record in ids])
    assert torch.allclose(SignalStream(model, channels, TABLES).read_known(ids), expected, atol=1e-5)
    stream, found = SignalStream(model, channels, TABLES), []
    stream.read_known(ids[:, :2])
    for token in ids[:, 2:].reshape(2, -1).T:
        found.append(stream.expect(2))
        stream.push(token)
    assert torch.allclose(torch.stack(found, 1), expected[:, 2:].flatten(1, 2), atol=1e-5)
    fresh = SignalStream(model, channels, TABLES)
    assert torch.allclose(fresh.expect(2), expected[:, 0, 0], atol=1e-5)


def test_next_states_are_expected_from_the_past_alone(model, signals):
    found = predict_next_states(model, signals, TABLES)
    slow = slow_probabilities(model, to_ids(signals[0], TABLES))[:, 1]
    assert np.allclose(found[0], (slow.numpy() * LEVELS).sum(-1), atol=1e-5)
    changed = signals.copy()
    changed[:, 7, 1] *= -1  # a state itself, and all that comes later, is not looked at
    changed[:, 8:] *= -1
    assert np.allclose(predict_next_states(model, changed, TABLES)[:, :8], found[:, :8], atol=1e-6)


def test_simulation_never_looks_at_later_states(model, signals):
    found = simulate_states(model, signals, TABLES, num_known=4)
    assert found.shape == (3, 8)
    hidden = signals.copy()
    hidden[:, 4:, 1] = 0.0
    assert np.array_equal(simulate_states(model, hidden, TABLES, num_known=4), found)
    hidden[:, 4:, 0] *= -1
    assert not np.array_equal(simulate_states(model, hidden, TABLES, num_known=4), found)


@pytest.fixture
def greedy(monkeypatch):
    """Let streams take the likeliest level; returns those that were taken."""
    taken = []

    def choose(stream, probabilities):
        taken.append(probabilities.argmax(-1).numpy() + TABLES.level_ids.start)
        return taken[-1]

    monkeypatch.setattr(SignalStream, "choose", choose)
    return taken


def test_simulation_equals_generate_with_given_actions(model, signals, greedy):
    simulate_states(model, signals, TABLES, num_known=4)
    for record, states in zip(to_ids(signals, TABLES), np.stack(greedy, axis=1), strict=True):
        prompt = record[:4]
        rows = gather_context(audio_segment(prompt, TABLES).ids, pad_id=0)[: prompt.size].astype(np.int64)
        tokens = model.generate(
            torch.from_numpy(rows)[None],
            labels=torch.from_numpy(prompt.reshape(1, -1)),
            layout=Audio(channels=2, given={0: record[:, 0].tolist()}, continues=True),
            vocabulary=TABLES,
            do_sample=False,
        )
        generated = tokens[0, : record.size].view(-1, 2).numpy()
        assert np.array_equal(generated[:, 0], record[:, 0])
        assert np.array_equal(generated[4:, 1], states)


class Recorder:
    """A system that integrates, and remembers its actions."""

    def __init__(self):
        self.state, self.actions = 0.0, []

    def step(self, action):
        self.actions.append(action)
        self.state += 0.3 * action
        return self.state


@pytest.mark.usefixtures("greedy")
def test_steering_gives_levels_and_reads_states_and_errors(model, rng):
    setpoints = rng.uniform(-0.5, 0.5, (2, 5))
    plants = [Recorder(), Recorder()]
    actions, states = steer(model, plants, setpoints, TABLES)
    assert np.array_equal(actions, [plant.actions for plant in plants])
    assert (actions[:, 0] == 0).all() and set(actions.ravel()) <= set(LEVELS)
    assert np.allclose(states, 0.3 * actions.cumsum(1))
    # each action is the likeliest after the rows before it, as the grid tells them
    rows = to_ids(np.stack([actions, states, setpoints - states], axis=-1), TABLES)
    for record, taken in zip(rows, actions, strict=True):
        likeliest = slow_probabilities(model, record)[:, 0].argmax(-1).numpy()
        assert np.array_equal(np.array(LEVELS)[likeliest[1:]], taken[1:])


def test_fork_goes_on_as_the_stream_would(model, rng):
    ids = to_ids(rng.uniform(-1, 1, (2, 3, 3)), TABLES)
    stream = SignalStream(model, 3, TABLES)
    stream.read_known(ids[:, :2])
    stream.expect(2)
    branch = stream.fork(4)
    tried = to_ids(np.tile([-1.0, -0.25, 0.5, 1.0], 2), TABLES)
    branch.push(tried)
    found = branch.expect(8)
    for row, token in enumerate(tried):
        record = ids[row // 4].copy()
        record[2, 0] = token
        assert torch.allclose(found[row], slow_probabilities(model, record)[2, 1], atol=1e-5)
    stream.push(ids[:, 2, 0])  # the stream itself has not moved
    expected = torch.stack([slow_probabilities(model, record)[2, 1] for record in ids])
    assert torch.allclose(stream.expect(2), expected, atol=1e-5)


def test_steering_by_prediction_reaches_the_setpoint_with_a_model_that_knows(monkeypatch):
    """A stand-in for the model's answers, the truth about the systems, isolates the choice of actions."""
    plants, setpoints = [Recorder(), Recorder()], np.repeat([[0.5], [-0.75]], 12, axis=1)

    def answers(stream, size):
        return np.stack([plant.state + 0.3 * np.linspace(-1, 1, 29) for plant in plants])

    monkeypatch.setattr("pixelbytes_hf.control.tasks._try_actions", answers)
    actions, states = steer_by_prediction(make_model(), plants, setpoints, TABLES)
    assert np.array_equal(actions, [plant.actions for plant in plants])
    assert np.abs(states[:, -1] - setpoints[:, -1]).max() <= 0.25  # a step of these coarse levels


def test_the_level_nearest_to_the_mean_is_taken():
    probabilities = torch.zeros(2, len(LEVELS), dtype=torch.float64)
    probabilities[0, [0, 8]] = 0.5
    probabilities[1, [4, 6, 7]] = torch.tensor([0.4, 0.3, 0.3], dtype=torch.float64)
    assert expected_amplitudes(probabilities, TABLES) == pytest.approx([0.0, 0.375])
    stream = SignalStream(make_model(), 2, TABLES)
    probabilities[1] = 0
    probabilities[1, [4, 6]] = torch.tensor([0.4, 0.6], dtype=torch.float64)
    assert to_amplitudes(stream.choose(probabilities), TABLES).tolist() == [0.0, 0.25]


def make_arx_signals(rng, order, num_samples=60):
    coefficients = {1: [0.8, 0.3], 2: [1.3, -0.4, 0.1, 0.05], 3: [1.2, -0.2, -0.1, 0.1, 0.2, -0.1]}[order]
    actions, states = rng.uniform(-0.2, 0.2, num_samples), np.zeros(num_samples)
    for t in range(num_samples):
        for lag in range(order):
            states[t] += coefficients[lag] * (states[t - 1 - lag] if t > lag else 0.0)
            states[t] += coefficients[order + lag] * (actions[t - lag] if t >= lag else 0.0)
    return np.array(coefficients), actions, states


@pytest.mark.parametrize("order", [1, 2, 3])
def test_least_squares_finds_the_system_and_simulates_it(rng, order):
    coefficients, actions, states = make_arx_signals(rng, order)
    found = fit_arx(actions[:30], states[:30], order)
    assert np.allclose(found, coefficients)
    assert np.allclose(predict_next_arx(found, actions, states), states)
    assert np.allclose(simulate_arx(found, actions, states[:30]), states[30:])


def test_simulated_states_stay_within_full_scale():
    assert simulate_arx(np.array([2.0, 1.0]), np.ones(20), np.array([0.5])).max() == 1.0


def test_wrong_arguments_are_refused(signals):
    model = make_model()
    with pytest.raises(ValueError, match="num_known"):
        simulate_states(model, signals, TABLES, num_known=12)
    with pytest.raises(ValueError, match="order"):
        fit_arx(np.zeros(3), np.zeros(3), 2)
    stream = SignalStream(model, 2, TABLES)
    with pytest.raises(ValueError, match="ids must be a beginning"):
        stream.read_known(np.zeros((1, 2, 3), np.int64))
