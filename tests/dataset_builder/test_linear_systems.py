import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from dataset_builder.linear_systems import (
    GAINS,
    ORDERS,
    TIME_CONSTANTS,
    LinearSystem,
    Plant,
    draw_system,
    draw_systems,
    read_system,
    simulate,
    write_system,
)


@pytest.fixture(scope="module")
def systems():
    return list(draw_systems(90))


def test_orders_come_in_turn_and_no_system_twice(systems):
    assert [system.order for system in systems[:6]] == [1, 2, 3, 1, 2, 3]
    assert len(set(systems)) == len(systems)
    assert list(draw_systems(9)) == systems[:9]
    assert list(draw_systems(9, seed=1)) != systems[:9]


def test_drawn_systems_keep_what_is_promised(systems):
    for system in systems:
        poles = np.roots(system.denominator)
        assert (poles.real < 0).all() and system.is_stable and system.is_minimal
        # the moduli that were drawn, up to the rounding of coefficients
        assert TIME_CONSTANTS[0] * 0.98 <= (1 / np.abs(poles)).min() <= (1 / np.abs(poles)).max() <= 1.02 * 12
        assert GAINS[0] <= system.dc_gain <= GAINS[1] and system.peak_gain <= 1


def test_discrete_matrices_are_those_of_a_held_action(systems):
    for system in systems[:12]:
        transition, inputs, outputs = system.discrete
        order = system.order
        # one exponential of [[A, B], [0, 0]] holds both matrices; here in the companion form
        denominator = np.array(system.denominator) / system.denominator[0]
        block = np.zeros((order + 1, order + 1))
        block[0, :order], block[0, order] = -denominator[1:], 1.0
        block[np.arange(1, order), np.arange(order - 1)] = 1.0
        held = expm(block)
        assert np.allclose(transition, held[:order, :order]) and np.allclose(inputs, held[:order, order])
        row = np.zeros(order)
        row[order - len(system.numerator) :] = np.array(system.numerator) / system.denominator[0]
        assert np.allclose(outputs, row)


def test_simulation_agrees_with_the_differential_equation():
    system = LinearSystem((0.6,), (8.0, 1.0))
    actions = np.random.default_rng(0).uniform(-1, 1, 20)
    state, expected = 0.0, []
    for action in actions:
        solved = solve_ivp(lambda _, y, u=action: (0.6 * u - y) / 8.0, (0, 1), [state], rtol=1e-10, atol=1e-12)
        state = solved.y[0, -1]
        expected.append(state)
    assert np.allclose(simulate(system, actions), expected, atol=1e-8)


def test_plant_steps_equal_the_simulation(systems):
    for system in systems[:12]:
        actions = np.random.default_rng(1).uniform(-1, 1, 60)
        plant = Plant(system)
        assert plant.state == 0
        assert np.allclose([plant.step(action) for action in actions], simulate(system, actions), atol=1e-10)


def test_gain_and_bound_are_reached(systems):
    for system in systems[:30]:
        assert simulate(system, np.ones(500))[-1] == pytest.approx(system.dc_gain, rel=1e-6)
        pulse = simulate(system, np.eye(1, 400)[0])
        worst = np.sign(pulse[::-1])  # the action that adds up all magnitudes in the last sample
        assert simulate(system, worst)[-1] == pytest.approx(system.peak_gain)


def test_text_reads_back_as_the_same_system(systems):
    assert all(read_system(write_system(system)) == system for system in systems)


@given(
    st.lists(st.floats(1e-4, 5000), min_size=1, max_size=2), st.lists(st.floats(1e-4, 5000), min_size=3, max_size=4)
)
@settings(max_examples=60, deadline=None)
def test_any_text_is_good_to_four_digits(numerator, denominator):
    system = LinearSystem(tuple(numerator), tuple(denominator))
    again = read_system(write_system(system))
    assert np.allclose(again.numerator, numerator, rtol=6e-4) and np.allclose(
        again.denominator, denominator, rtol=6e-4
    )
    assert write_system(again) == write_system(system)


@pytest.mark.parametrize("text", ["", "[1] [2 1]", "[] / [2 1]", "[1] / [a 1]", "[.] / [2 1]", "[1-2] / [3 1]"])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match="text must read"):
        read_system(text)
    with pytest.raises(ValueError, match="numerator shorter than its denominator"):
        read_system("[1 2 3] / [2 1]")


def test_unstable_and_redundant_systems_are_told():
    assert not LinearSystem((1.0,), (-8.0, 1.0)).is_stable
    assert not LinearSystem((1.0,), (8.0, 0.0)).is_stable
    assert LinearSystem((1.0,), (8.0, 0.0)).dc_gain == float("inf")
    # (8 s + 1) stands above and below: a first-order system in disguise
    assert not LinearSystem((8.0, 1.0), (40.0, 13.0, 1.0)).is_minimal
    assert LinearSystem((2.0, 1.0), (40.0, 13.0, 1.0)).is_minimal


@pytest.mark.parametrize(
    ("numerator", "denominator"), [((), (1.0, 1.0)), ((1.0, 2.0), (1.0, 1.0)), ((1.0,), (0.0, 1.0))]
)
def test_improper_systems_are_refused(numerator, denominator):
    with pytest.raises(ValueError, match="numerator"):
        LinearSystem(numerator, denominator)


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="order"):
        draw_system(np.random.default_rng(0), 4)
    with pytest.raises(ValueError, match="num_systems"):
        next(draw_systems(0))
    assert ORDERS == (1, 2, 3)
