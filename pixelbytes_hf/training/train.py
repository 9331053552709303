"""Training: from data and a preset to a folder with model, tokenizer and curves.

The curves (``history.json``) and what the run was made from (``training.json``) are plain JSON.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerState, set_seed
from transformers.trainer import TRAINER_STATE_NAME
from transformers.utils import logging

from ..models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from ..pretrained.exported_code import saving_without_code
from ..pretrained.json_files import read_json
from ..runs.kinds import find_kind, find_object
from .callbacks import HistoryWriter, QuietProgress, Stopwatch, is_validation
from .checkpoints import find_newest_complete
from .presets import Preset, get_preset
from .recipe import Recipe
from .resume import describe_dataset, open_folder
from .trainer import gather_model, make_training_arguments

logger = logging.get_logger(__name__)
HISTORY_NAME = "history.json"
CHECKPOINTS_NAME = "checkpoints"


def train(
    data: Any,
    preset: str | Preset,
    output_dir: str | os.PathLike[str],
    *,
    tokenizer: ActionPixelBytesTokenizer | None = None,
    model: Mapping[str, Any] | None = None,
    start_from: str | os.PathLike[str] | None = None,
    resume: bool = False,
    allow_other_versions: bool = False,
    progress: bool = True,
    **overrides: Any,
) -> Path:
    """Train a model and return its folder: model, tokenizer, ``history.json``, ``training.json`` and checkpoints.

    Started by ``torchrun`` or ``accelerate launch``, each process reads its share of the windows, and the gradients
    are those of one process with batches as large as all of theirs together; only the last batch of an epoch, where
    it is not full, is filled up with windows from the epoch's beginning.

    Args:
        data: Training data, or a mapping with ``train`` and perhaps ``validation``; each a `TokenCorpus` or a
            `datasets.Dataset` with the builder's columns.
        preset: Name in `presets.PRESETS`, or a preset of one's own; its kind says what is trained, and how.
        output_dir: Folder to make; with `resume`, to go on in.
        tokenizer: Of the data; by default the preset's.
        model: Keywords of the model's configuration in place of the preset's.
        start_from: Checkpoint, a folder or a name on the Hub, whose model and tokenizer are trained further; the
            preset then gives nothing but the settings of the run.
        resume: Go on from the newest complete checkpoint in `output_dir`, if there is one.
        allow_other_versions: Whether a run may be resumed with other versions of libraries or another number of
            threads; its weights are then not those of the run uninterrupted.
        progress: Whether to show progress bars.
        overrides: Settings of the training in place of the preset's.

    Raises:
        FileExistsError: If `output_dir` is not empty and `resume` is False.
        ValueError: If a name is unknown, the tokenizer does not match the data, the run to resume was another one,
            `start_from` is no checkpoint, or `model` is given with it.
    """
    plan = (get_preset(preset) if isinstance(preset, str) else preset).replace(model=model, **overrides)
    if start_from is not None:
        if model:
            raise ValueError(f"model must be None with start_from, whose configuration stays, got {dict(model)}")
        plan = dataclasses.replace(plan, model={"start_from": os.fspath(start_from)})
    settings, folder = plan.training, Path(output_dir)
    recipe: Recipe = find_object(find_kind(plan.kind).recipe)(plan, tokenizer=tokenizer, start_from=start_from)
    corpora = recipe.read(data, progress=progress)
    args = make_training_arguments(
        settings,
        folder / CHECKPOINTS_NAME,
        has_validation="validation" in corpora,
        disable_tqdm=not progress,
        **recipe.training_arguments,
    )
    set_seed(settings.seed)
    new_model = recipe.make_model(corpora)
    # before the folder is made: settings that no window can have leave nothing behind
    examples = recipe.make_examples(new_model, corpora)
    with args.main_process_first(desc="prepare the output folder"):
        if args.process_index == 0:
            description = recipe.describe(corpora, num_processes=args.world_size)
            description |= {"dataset": describe_dataset(data, corpora), "threads": torch.get_num_threads()}
            open_folder(folder, description, resume=resume, allow_other_versions=allow_other_versions)
    history = HistoryWriter(folder / HISTORY_NAME, recipe.likelihood(new_model))
    trainer = recipe.make_trainer(new_model, args, examples, callbacks=[history])
    trainer.remove_callback(ProgressCallback if progress else PrinterCallback)
    if progress:
        trainer.add_callback(QuietProgress(trainer.shown_figures))
    checkpoint = find_newest_complete(args.output_dir, num_processes=args.world_size) if resume else None
    if resume and checkpoint is None:
        logger.warning("no complete checkpoint in %s: training starts from step 0", args.output_dir)
    with _no_bars_for_writing(), saving_without_code():
        _train_from(checkpoint, trainer, settings.max_seconds)
        trained = gather_model(trainer)
        if args.process_index == 0:
            recipe.save(folder, trained, corpora)
    trainer.accelerator.wait_for_everyone()
    return folder


def _train_from(checkpoint: Path | None, trainer: Trainer, max_seconds: float | None) -> None:
    """Train, unless the checkpoint is that of the end, and validate what has come of it."""
    if checkpoint is not None and _is_finished(checkpoint, max_seconds):
        # the Trainer would begin another epoch
        trainer._load_from_checkpoint(str(checkpoint))
        trainer.state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    else:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    last, points = trainer.state.global_step, trainer.state.log_history
    is_validated = any(is_validation(point) and point["step"] == last for point in points)
    if trainer.eval_dataset is not None and not is_validated:
        trainer.evaluate()


@contextmanager
def _no_bars_for_writing() -> Iterator[None]:
    """Keep transformers from drawing a bar for every checkpoint it writes."""
    was_shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_shown:
            logging.enable_progress_bar()


def _is_finished(checkpoint: Path, max_seconds: float | None) -> bool:
    state = read_json(checkpoint / TRAINER_STATE_NAME)
    stopwatch = state["stateful_callbacks"].get(Stopwatch.__name__, {"attributes": {"seconds": 0.0}})
    is_spent = max_seconds is not None and stopwatch["attributes"]["seconds"] >= max_seconds
    return bool(is_spent or state["global_step"] >= state["max_steps"])
