"""The windows that a run trains and validates on, as its settings and its objective say."""

from transformers.utils import logging

from ...data.augmentation import Augmentation
from ...data.corpus import TokenCorpus
from ...data.last_token_windows import LastTokenWindows
from ...data.task_corpus import TaskCorpus
from ...data.task_mixture import TaskMixture
from ...data.task_windows import TaskWindows
from ...data.windows import WindowDataset
from ...mixers.mixer_properties import joins_prefix
from ...models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from ...objectives.objective import Objective
from ...runs.codec_run import load_codec
from ...tokens.six_cells import CONTEXT_SIZE
from ..settings import TrainingConfig

logger = logging.get_logger(__name__)
TrainingWindows = WindowDataset | LastTokenWindows | TaskWindows
VALIDATION_DRAWS = 4  # masks of every window, where an objective draws some; evaluation takes more


def make_windows(
    corpus: TokenCorpus, settings: TrainingConfig, objective: type[Objective], config: PixelBytesConfig | None = None
) -> TrainingWindows:
    """Return the training windows that settings and objective describe.

    With an objective that reads a window for every token, one token of every `stride` is the target of a window. With
    tasks a window is a whole stream; streams of more than `window_length` tokens are left out.

    Args:
        corpus: The records.
        settings: Of the run.
        objective: Its class.
        config: Of the model; None where windows are only to be located, not read.

    Raises:
        ValueError: If settings repeat or flip windows where each has one target, or of tasks.
    """
    if settings.tasks:
        windows = make_task_windows(corpus, settings, objective, config)
        _tell_of_unfit(windows.streams, settings.window_length)
        return windows
    if settings.codec is not None:
        raise ValueError(f"codec must be None without tasks, got {settings.codec!r}")
    if config is not None and joins_prefix(config.mixer_config):
        raise ValueError("mixer_config.prefix_lm must be False without tasks, which say what is given, got True")
    sizes = {"window_length": settings.window_length, "context_size": getattr(config, "context_size", CONTEXT_SIZE)}
    draws = {"seed": settings.seed, "jitter": settings.jitter}
    if objective.windows == "last token":
        _refuse_repeats(settings, f"the objective {objective.name!r}")
        return LastTokenWindows(corpus, **sizes, **draws, every=settings.stride)
    visits = {name: getattr(settings, name) for name in ("stride", "repeats", "prefix_windows", "prefix_length")}
    augmentation = Augmentation(mirror=settings.mirror, invert=settings.invert)
    corruption = None if config is None else objective.corruption(config)
    return WindowDataset(corpus, **sizes, **draws, **visits, augmentation=augmentation, corruption=corruption)


def make_validation_windows(
    corpus: TokenCorpus, settings: TrainingConfig, objective: type[Objective], config: PixelBytesConfig
) -> TrainingWindows:
    """Return windows that hold every token once, or `VALIDATION_DRAWS` times where something is drawn for them.

    With an objective that reads a window for every token, one token of every `stride` is a target, the same for every
    run: chosen by chance, as the last of each would be a separator far too often, and of pictures as wide as the
    stretch one column alone. With tasks every record is read once, with one of the tasks that fit.
    """
    if settings.tasks:
        return make_task_windows(corpus, settings, objective, config)
    if objective.windows == "last token":
        return LastTokenWindows(
            corpus, settings.window_length, every=settings.stride, jitter=True, context_size=config.context_size
        )
    corruption = objective.corruption(config)
    draws = {"corruption": corruption, "num_draws": 1 if corruption is None else VALIDATION_DRAWS}
    return WindowDataset(corpus, settings.window_length, context_size=config.context_size, **draws)


def make_task_windows(
    corpus: TokenCorpus, settings: TrainingConfig, objective: type[Objective], config: PixelBytesConfig | None
) -> TaskWindows:
    """Return windows of the tasks that settings name; arguments as of `make_windows`.

    Raises:
        ValueError: If the objective takes no tasks, a task fits no record, or other settings choose windows too.
    """
    if not objective.takes_tasks:
        raise ValueError(f"tasks must not be set with the objective {objective.name!r}, got {dict(settings.tasks)}")
    _refuse_repeats(settings, "tasks")
    if settings.jitter:
        raise ValueError("jitter must be False with tasks, whose windows are whole streams, got True")
    mixture = TaskMixture(settings.tasks)
    codec = None if settings.codec is None else load_codec(settings.codec, "image", corpus.codecs)
    streams = TaskCorpus(corpus, mixture.names, codec=codec, max_length=settings.window_length)
    windows = TaskWindows(
        streams,
        mixture,
        seed=settings.seed,
        context_size=getattr(config, "context_size", CONTEXT_SIZE),
        corruption=None if config is None else objective.corruption(config),
    )
    if left_out := corpus.num_records - len(windows):
        logger.warning("%d of %d records have no task in some phase", left_out, corpus.num_records)
    return windows


def _tell_of_unfit(streams: TaskCorpus, max_length: int) -> None:
    """Warn of every task that not all records have, since others are drawn in its place.

    Raises:
        ValueError: If no record has a task.
    """
    num_records = streams.source.num_records
    for name, unfit, too_long in zip(streams.names, streams.num_unfit, streams.num_long, strict=True):
        if unfit + too_long == num_records:
            raise ValueError(
                f"tasks must each fit a record, but {name!r} fits none of {num_records}: {unfit} lack a medium or "
                f"frames, {too_long} are longer than {max_length} tokens"
            )
        if unfit or too_long:
            logger.warning(
                "%s: %d of %d records lack a medium or frames, %d are longer than %d tokens; other tasks are drawn "
                "for them",
                *(name, unfit, num_records, too_long, max_length),
            )


def _refuse_repeats(settings: TrainingConfig, chooser: str) -> None:
    repeats = {name: times for name, times in settings.repeats.items() if times != 1}
    if settings.prefix_windows or repeats or settings.mirror or settings.invert:
        raise ValueError(
            f"prefix_windows, repeats, mirror and invert must not be set with {chooser}, got "
            f"{settings.prefix_windows}, {repeats}, {settings.mirror} and {settings.invert}"
        )
