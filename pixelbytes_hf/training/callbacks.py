"""Callbacks of the Trainer: seconds of training, curves as JSON, a quiet progress bar, the epoch of the windows."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import ProgressCallback, TrainerCallback, TrainingArguments
from transformers.trainer_callback import ExportableState

from ..data.batches import WindowSampler
from ..objectives.objective import Likelihood
from ..runs.files import write_json

EVAL_PREFIX = "eval_"  # of the names of what a validation measures
_TIME_PARTS = 10  # of a run that seconds limit, each ending with a validation


class Stopwatch(TrainerCallback, ExportableState):
    """Counts the seconds of training steps, and ends the run when they are spent.

    Reading data counts; validation and checkpoints do not. The seconds are kept in checkpoints. Where seconds limit
    the run, it is validated and kept after each tenth of them, whatever the steps between validations.

    Args:
        max_seconds: After which to stop, or None.
    """

    def __init__(self, max_seconds: float | None = None) -> None:
        """Start at zero."""
        self.max_seconds, self.seconds, self._mark = max_seconds, 0.0, 0.0

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"args": {"max_seconds": self.max_seconds}, "attributes": {"seconds": self.seconds}}

    def expected_steps(self, step: int, num_steps: int) -> int:
        """Return the steps of the whole run, at the speed so far where seconds limit it."""
        if self.max_seconds is None or not self.seconds:
            return num_steps
        return min(num_steps, math.ceil(step * max(self.max_seconds / self.seconds, 1.0)))

    def on_train_begin(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        """Go on from the seconds of the checkpoint that is resumed."""
        kept = state.stateful_callbacks.get(type(self).__name__)
        self.seconds = float(kept["attributes"]["seconds"]) if kept else 0.0
        self._mark = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        """Count a step."""
        now, before = time.perf_counter(), self.seconds
        self.seconds, self._mark = before + now - self._mark, now
        if self.max_seconds is None:
            return
        if int(_TIME_PARTS * self.seconds / self.max_seconds) > int(_TIME_PARTS * before / self.max_seconds):
            control.should_log = control.should_save = True
            control.should_evaluate = args.eval_strategy != "no"
        if self.seconds >= self.max_seconds:
            control.should_training_stop = True

    def leave_out(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        """Forget the time since the last step."""
        self._mark = time.perf_counter()

    on_evaluate = on_save = leave_out


class HistoryWriter(TrainerCallback):
    """Writes the curves of the run as JSON for figures, at every validation, checkpoint and at the end.

    The file holds ``train``, points with ``step``, ``epoch``, ``loss`` (the objective's, in nats per target),
    ``grad_norm`` and ``learning_rate``, and ``validation``, points with ``step``, ``epoch`` and the figures of
    `summarise_kinds`, of a codec those of its `CodecScorer`. All have ``seconds`` of training and
    ``num_input_tokens_seen``, of tokens without padding, of a codec's cells with it. ``total`` has ``steps``,
    ``epochs`` and ``tokens`` of the run so far.

    Args:
        path: File to write.
        likelihood: What the bits are, one of `Likelihood`.
    """

    def __init__(self, path: Path, likelihood: Likelihood = "exact") -> None:
        """Keep the path."""
        self.path, self.likelihood = path, likelihood

    def write(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the file."""
        if not state.is_world_process_zero:
            return
        for point in state.log_history:
            if broken := [name for name, value in point.items() if not math.isfinite(value)]:
                raise ValueError(f"training diverged: {broken[0]} is {point[broken[0]]} at step {point['step']}")
        train = [point for point in state.log_history if "loss" in point]
        validated = filter(is_validation, state.log_history)
        validation = [{name.removeprefix(EVAL_PREFIX): value for name, value in point.items()} for point in validated]
        total = {"steps": state.global_step, "epochs": state.epoch, "tokens": state.num_input_tokens_seen}
        content = {"likelihood": self.likelihood, "total": total, "train": train, "validation": validation}
        write_json(self.path, content)

    on_evaluate = on_save = on_train_end = write


def is_validation(point: Mapping[str, Any]) -> bool:
    """Return whether a point of the Trainer's log is a validation's."""
    return any(name.startswith(EVAL_PREFIX) for name in point)


class QuietProgress(ProgressCallback):
    """The Trainer's progress bar, with the newest figures beside it instead of lines of them.

    Args:
        shown: Names of figures, beside the loss.
    """

    def __init__(self, shown: Sequence[str]) -> None:
        """Keep the names."""
        super().__init__()
        self.shown = shown

    def on_log(self, args: TrainingArguments, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Show loss or bits beside the bar."""
        shown = {name: logs[name] for name in ("loss", *self.shown) if name in (logs or {})}
        if state.is_world_process_zero and self.training_bar is not None and shown:
            self.training_bar.set_postfix(shown)


class EpochSetter(TrainerCallback):
    """Sets the epoch of sampler and windows; accelerate does so too, but not with several processes."""

    def __init__(self, sampler: WindowSampler) -> None:
        """Keep the sampler."""
        self.sampler = sampler

    def on_epoch_begin(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        """Set the epoch."""
        self.sampler.set_epoch(int(state.epoch or 0))
