"""Control signals: linear systems driven by known inputs, and steered by controllers, as records.

A family is one system; its members are the same system under each of the five kinds of input. Held-out families ask
for systems that were never seen.

Channels of a record, one row per sample t:

- 0, action: u[t], held from sample t to t + 1;
- 1, state: y[t + 1], which that action leads to; before the first row the system is at rest at zero;
- 2, error, in records of a closed loop alone: r[t + 1] - y[t + 1], the set-point minus the state, which is what a
  controller acts on; it is told together with the state, and the next action answers it.

Read row by row, everything stands before what follows from it: an action before its state, state and error before the
next action. All amplitudes are as simulated, in one unit for all records: full scale is an action of 1, and no
state exceeds it (see `linear_systems`). Sound files hold 16 bits: amplitudes are exact to 1/32768.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .controllers import LQR, PI, SPEED_UP, Controller, run_loop
from .linear_systems import LinearSystem, Plant, draw_systems, simulate, write_system
from .record import MediaFile, Record, encode_flac

KINDS = ("steps", "chirp", "bang-bang", "pi", "lqr")
CLOSED_LOOP_KINDS = ("pi", "lqr")
DEFAULT_NUM_SYSTEMS = 1024
NUM_SAMPLES = 128
SAMPLING_RATE_HZ = 100  # nominal: systems count time in samples
SETPOINT_LIMIT = 0.2  # within reach of the smallest gain, with a fifth of the action to spare
STEP_SAMPLES = (1, 24)
CHIRP_PERIODS = (100.0, 6.0)
BANG_SAMPLES = (1, 6)
SETPOINT_SAMPLES = (16, 48)
HIGH_ORDER_SPEED_UP = 0.5  # beyond order 1 the PI controller leaves poles that it does not cancel
DITHER_LIMITS = (0.2, 0.5)
KNOCK_SAMPLES = (16, 48)
KNOCK_LIMIT = 0.3

Floats = NDArray[np.float64]


def draw_setpoints(rng: np.random.Generator, num_samples: int, *, hold: tuple[int, int] = SETPOINT_SAMPLES) -> Floats:
    """Return set-points that jump now and then, (T,), within the reach of every system.

    Args:
        rng: Source of randomness.
        num_samples: T.
        hold: Fewest and most samples between two jumps.
    """
    return _draw_levels(rng, num_samples, hold, SETPOINT_LIMIT)


def draw_actions(rng: np.random.Generator, kind: str, num_samples: int) -> Floats:
    """Return actions that look at no state, (T,), within [-1, 1].

    Args:
        rng: Source of randomness.
        kind: ``steps`` (random levels), ``chirp`` (a sine of falling period) or ``bang-bang`` (one of two levels).
        num_samples: T.

    Raises:
        ValueError: If `kind` is another.
    """
    if kind == "steps":
        return _draw_levels(rng, num_samples, STEP_SAMPLES, 1.0)
    amplitude = rng.uniform(0.4, 1.0)
    if kind == "chirp":
        first, last = CHIRP_PERIODS
        periods = first * (last / first) ** np.linspace(0, 1, num_samples)
        return amplitude * np.sin(rng.uniform(0, 2 * np.pi) + np.cumsum(2 * np.pi / periods))
    if kind == "bang-bang":
        shortest = int(rng.integers(BANG_SAMPLES[0], BANG_SAMPLES[1] + 1))
        signs = rng.choice([-1.0, 1.0], size=-(-num_samples // shortest))
        return amplitude * np.repeat(signs, shortest)[:num_samples]
    raise ValueError(f"kind must be one of {[k for k in KINDS if k not in CLOSED_LOOP_KINDS]}, got {kind!r}")


def make_signals(system: LinearSystem, kind: str, rng: np.random.Generator, num_samples: int = NUM_SAMPLES) -> Floats:
    """Return the channels of a record, (T, 2) for an input that looks at no state and (T, 3) for a closed loop.

    Args:
        system: The system.
        kind: One of `KINDS`.
        rng: Source of randomness.
        num_samples: T.

    Raises:
        ValueError: If `kind` is none of `KINDS`.
    """
    if kind not in CLOSED_LOOP_KINDS:
        actions = draw_actions(rng, kind, num_samples)
        return np.stack([actions, simulate(system, actions)], axis=1)
    setpoints, plant = draw_setpoints(rng, num_samples), Plant(system)
    dither = rng.uniform(*DITHER_LIMITS) * rng.uniform(-1, 1, num_samples)
    knocks = np.diff(_draw_levels(rng, num_samples, KNOCK_SAMPLES, KNOCK_LIMIT), prepend=0.0)
    controller = make_controller(kind, plant)
    actions, states = run_loop(plant, controller, setpoints, dither=dither, knocks=knocks if kind == "pi" else None)
    return np.stack([actions, states, setpoints - states], axis=1)


def make_controller(kind: str, plant: Plant) -> Controller:
    """Return the controller ``pi`` or ``lqr``, made for the system at hand.

    Raises:
        ValueError: If `kind` is neither.
    """
    if kind == "lqr":
        return LQR(plant)
    if kind != "pi":
        raise ValueError(f"kind must be one of {CLOSED_LOOP_KINDS}, got {kind!r}")
    system = plant.system
    return PI.tuned(system.dc_gain, system.time_constant, SPEED_UP if system.order == 1 else HIGH_ORDER_SPEED_UP)


def draw_members(num_systems: int, *, seed: int = 0) -> Iterator[tuple[int, LinearSystem, str]]:
    """Yield (family id, system, kind of input) of each record, the members of a family one after another.

    Raises:
        ValueError: If `num_systems` is under 1.
    """
    for family, system in enumerate(draw_systems(num_systems, seed=seed)):
        for kind in KINDS:
            yield family, system, kind


def make_record(record_id: int, family_id: int, system: LinearSystem, kind: str, *, seed: int = 0) -> Record:
    """Return a system under one kind of input as a record.

    Args:
        record_id: Id, at least 0; with `seed` it decides the input.
        family_id: Family.
        system: The system.
        kind: One of `KINDS`.
        seed: Seed of the corpus, at least 0.
    """
    # a third number: systems are drawn from (seed, index)
    signals = make_signals(system, kind, np.random.default_rng((seed, record_id, 1)))
    flac = encode_flac(signals.astype(np.float32), sampling_rate=SAMPLING_RATE_HZ)
    return Record(
        id=record_id,
        name=f"system {family_id} {kind}",
        text=write_system(system),
        audio=MediaFile(bytes=flac, path=f"{record_id}.flac"),
        types=[kind],
        generation=system.order,
        family_id=family_id,
        sampling_rate=SAMPLING_RATE_HZ,
    )


def _draw_levels(rng: np.random.Generator, num_samples: int, samples: tuple[int, int], limit: float) -> Floats:
    """Return levels within +-limit, each held for a random number of samples, (T,)."""
    count = -(-num_samples // samples[0])
    levels, holds = rng.uniform(-limit, limit, count), rng.integers(samples[0], samples[1] + 1, count)
    return np.repeat(levels, holds)[:num_samples]
