import numpy as np
import pytest

from dataset_builder.control import make_controller
from dataset_builder.controllers import (
    ACTION_WEIGHT,
    LQR,
    PI,
    Extrapolation,
    OpenLoop,
    known_setpoints,
    run_loop,
    trajectory_cost,
)
from dataset_builder.linear_systems import LinearSystem, Plant, draw_systems

SETPOINTS = np.repeat([0.15, -0.1, 0.2], 300)


@pytest.mark.parametrize("kind", ["pi", "lqr"])
def test_controllers_reach_the_setpoint_of_every_system(kind):
    for system in draw_systems(45, seed=3):
        plant = Plant(system)
        actions, states = run_loop(plant, make_controller(kind, plant), SETPOINTS)
        assert np.abs(actions).max() <= 1
        assert states[[299, 599, 899]] == pytest.approx([0.15, -0.1, 0.2], abs=2e-3)


def test_regulator_gain_is_the_known_one_of_a_first_order_system():
    plant = Plant(LinearSystem((0.5,), (8.0, 1.0)))
    (a,), (b,), (c,) = (matrix.reshape(-1) for matrix in plant.system.discrete)
    # the scalar Riccati equation, solved as a quadratic
    linear = ACTION_WEIGHT * (1 - a**2) - b**2 * c**2
    cost = (-linear + np.sqrt(linear**2 + 4 * b**2 * ACTION_WEIGHT * c**2)) / (2 * b**2)
    assert LQR(plant).feedback[0] == pytest.approx(a * b * cost / (ACTION_WEIGHT + b**2 * cost))


def test_regulator_costs_least_where_no_action_meets_its_limit():
    setpoints = np.repeat([0.0, 0.05, -0.02], 60)
    for system in draw_systems(12, seed=4):
        plant = Plant(system)
        best = trajectory_cost(system, *run_loop(plant, LQR(plant), setpoints), setpoints)
        for other in (make_controller("pi", plant), OpenLoop(system.dc_gain), LQR(plant, 0.1), LQR(plant, 0.003)):
            plant.inner = np.zeros(system.order)
            assert best <= trajectory_cost(system, *run_loop(plant, other, setpoints), setpoints) + 1e-12


def test_open_loop_rests_where_the_gain_is_right_and_only_there():
    system = LinearSystem((0.5,), (5.0, 1.0))
    _, right = run_loop(Plant(system), OpenLoop(0.5), np.full(200, 0.1))
    _, wrong = run_loop(Plant(system), OpenLoop(0.25), np.full(200, 0.1))
    assert (right[-1], wrong[-1]) == (pytest.approx(0.1), pytest.approx(0.2))


def test_extrapolation_changes_the_action_by_what_is_missing():
    controller = Extrapolation(0.5)
    assert controller.act(0.2, 0.0) == pytest.approx(0.4)
    assert controller.act(0.2, 0.1) == pytest.approx(0.4)  # goes on as it went: nothing is missing
    assert controller.act(0.2, 0.1) == pytest.approx(0.6)
    assert controller.act(9.0, 0.1) == 1.0


def test_sum_of_errors_stands_still_at_the_limit():
    controller = PI(1.0, 1.0)
    for _ in range(50):
        assert controller.act(1.0, -1.0) == 1.0
    assert controller.sum == 0
    assert controller.act(-0.2, 0.0) == pytest.approx(-0.4)


def test_first_action_is_zero_and_dither_is_added():
    system = LinearSystem((0.5,), (5.0, 1.0))
    dither = np.array([0.1, 0.0, 5.0])
    actions, states = run_loop(Plant(system), OpenLoop(0.5), np.array([0.1, 0.2, 0.2]), dither=dither)
    assert actions == pytest.approx([0.1, 0.2, 1.0])
    decay = np.exp(-1 / 5)
    assert states[:2] == pytest.approx([0.05 * (1 - decay), 0.05 * (1 - decay) * decay + 0.1 * (1 - decay)])


def test_knocks_are_undone_and_need_a_sum():
    system = LinearSystem((0.5,), (5.0, 1.0))
    setpoints, knocks = np.full(80, 0.1), np.zeros(80)
    knocks[30] = 0.4
    actions, states = run_loop(Plant(system), PI.tuned(0.5, 5.0), setpoints, knocks=knocks)
    assert actions[31] - actions[30] == pytest.approx(0.4, abs=1e-3)
    assert states[31] > 0.11 and states[-1] == pytest.approx(0.1, abs=1e-3)
    with pytest.raises(TypeError, match="knocks need a PI controller, got OpenLoop"):
        run_loop(Plant(system), OpenLoop(0.5), setpoints, knocks=knocks)


def test_cost_is_counted_by_hand():
    system = LinearSystem((0.5,), (5.0, 1.0))
    setpoints, actions, states = np.array([0.1, 0.1]), np.array([0.0, 0.4]), np.array([0.0, 0.03])
    assert known_setpoints(setpoints).tolist() == [0.0, 0.1]
    assert trajectory_cost(system, actions, states, setpoints) == pytest.approx((0.07**2 + ACTION_WEIGHT * 0.2**2) / 2)


@pytest.mark.parametrize("arguments", [(0.0, 5.0), (0.5, -1.0), (0.5, 5.0, 0.0)])
def test_wrong_tuning_is_refused(arguments):
    with pytest.raises(ValueError, match="must be positive"):
        PI.tuned(*arguments)
