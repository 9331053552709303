"""One run of a comparison: train a preset with a seed, evaluate it, write the figures; in a process of its own.

As a module it is that process: ``python -m pixelbytes_hf.compare.run JOB.json``.
"""

import json
import platform
import resource
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ..data.batches import WindowSampler
from ..data.corpus import TokenCorpus
from ..evaluation.continuations import evaluate_continuations
from ..evaluation.evaluation import evaluate_model, write_results
from ..models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from ..pretrained.json_files import read_json
from ..runs.versions import describe_versions
from ..training.builders import build_tokenizer
from ..training.checkpoints import find_newest_complete
from ..training.presets import Preset
from ..training.sequence.training_windows import make_windows
from ..training.train import CHECKPOINTS_NAME, HISTORY_NAME, train

CURVE_KEYS = ("step", "seconds", "num_input_tokens_seen", "bits")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one run is made from.

    Args:
        name: Of the preset, in tables.
        plan: The preset with the comparison's settings and the seed.
        corpora: Fingerprints of ``train``, ``validation`` and ``test``; also the names of their folders.
        evaluation: Keywords of `evaluate_model`.
        num_continuations: Windows of the test to continue, or 0.
    """

    name: str
    plan: Preset
    corpora: Mapping[str, str]
    evaluation: Mapping[str, Any]
    num_continuations: int = 0

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return int(self.plan.training.seed)

    @property
    def label(self) -> str:
        """Name of the run and of its files."""
        return f"{self.name}-seed{self.seed}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able settings; the inverse of `from_dict`."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return content

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "Job":
        """Return the job that `to_dict` described."""
        return cls(**{**settings, "plan": Preset.from_dict(settings["plan"])})


@dataclass(frozen=True)
class Folders:
    """Where the files of a comparison stand.

    Args:
        root: Its folder.
    """

    root: Path

    def corpus(self, fingerprint: str) -> Path:
        """Return the folder of a tokenized corpus."""
        return self.root / "data" / fingerprint[:16]

    def job(self, label: str) -> Path:
        """Return the file that tells a process what to do."""
        return self.root / "jobs" / f"{label}.json"

    def log(self, label: str) -> Path:
        """Return the file of a process's output."""
        return self.root / "logs" / f"{label}.log"

    def result(self, label: str) -> Path:
        """Return the file that a finished run leaves."""
        return self.root / "results" / f"{label}.json"

    def run(self, label: str) -> Path:
        """Return the run folder."""
        return self.root / "runs" / label


def count_steps(corpus: TokenCorpus, plan: Preset, num_tokens: int) -> int:
    """Return after how many steps so many tokens have been read, padding not counted.

    Args:
        corpus: To train on.
        plan: The preset.
        num_tokens: At least 1.
    """
    settings = plan.training
    windows = make_windows(corpus, settings, plan.objective)
    sampler = WindowSampler(windows, settings.seed, batch_size=settings.batch_size)
    per_step = settings.batch_size * settings.gradient_accumulation_steps
    steps = read = epoch = 0
    while True:
        sampler.set_epoch(epoch)
        order, epoch = list(sampler), epoch + 1
        for first in range(0, len(order), per_step):
            places = map(windows.locate, order[first : first + per_step])
            read, steps = read + sum(stop - start for _, start, stop in places), steps + 1
            if read >= num_tokens:
                return steps


def run_job(job: Job, folders: Folders, *, is_alone: bool) -> dict[str, Any]:
    """Train, evaluate and write the figures of one run; go on with it if it was interrupted.

    Its checkpoints are deleted in the end; the model stays.

    Args:
        job: The run.
        folders: Where to read the corpora and to write.
        is_alone: Whether this process does nothing else, so that its peak memory is the run's.
    """
    corpora = {name: TokenCorpus.load(folders.corpus(fingerprint)) for name, fingerprint in job.corpora.items()}
    test, run_folder = corpora.pop("test"), folders.run(job.label)
    is_begun = run_folder.exists() and any(run_folder.iterdir())
    train(corpora, job.plan, run_folder, tokenizer=build_tokenizer(job.plan), resume=is_begun, progress=False)
    training = _describe_training(run_folder, is_alone=is_alone)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = aPxBySequenceModel.from_pretrained(run_folder).eval().to(device)
    result = {
        "job": job.to_dict(),
        "training": training,
        "evaluation": evaluate_model(model, test, seed=job.seed, progress=False, **job.evaluation),
        "curve": _read_curve(run_folder),
        "machine": describe_machine(),
    }
    if (count := job.num_continuations) and model.objective.decoding == "sequential":
        result["continuations"] = evaluate_continuations(model, test, num_windows=count, progress=False)
    folders.result(job.label).parent.mkdir(parents=True, exist_ok=True)
    write_results(result, folders.result(job.label))
    shutil.rmtree(run_folder / CHECKPOINTS_NAME, ignore_errors=True)
    return result


def describe_machine() -> dict[str, Any]:
    """Return what the figures of speed and memory were measured on."""
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": describe_versions("torch", "transformers", "accelerate", "numpy"),
    }


def _describe_training(run_folder: Path, *, is_alone: bool) -> dict[str, Any]:
    checkpoint = find_newest_complete(run_folder / CHECKPOINTS_NAME)
    if checkpoint is None:
        raise ValueError(f"{str(run_folder)!r} has no complete checkpoint after training: expected one of its end")
    state = read_json(checkpoint / "trainer_state.json")
    seconds = state["stateful_callbacks"]["Stopwatch"]["attributes"]["seconds"]
    tokens = state["num_input_tokens_seen"]
    return {
        "steps": state["global_step"],
        "epochs": state["epoch"],
        "tokens": tokens,
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
        "peak_memory_bytes": _peak_memory() if is_alone else None,
    }


def _peak_memory() -> int:
    """Return the most memory that this process held: of the accelerator, or else its resident set."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _read_curve(run_folder: Path) -> list[dict[str, float]]:
    points = read_json(run_folder / HISTORY_NAME)["validation"]
    return [{name: point[name] for name in CURVE_KEYS} for point in points if "bits" in point]


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.is_file() else []
    if names := [line.partition(":")[2].strip() for line in lines if "model name" in line]:
        return f"{names[0]}, {len(names)} processors"
    return platform.processor() or platform.machine()


def main(path: str) -> None:
    """Do the job of a file; its comparison's folder is two above."""
    job = Job.from_dict(read_json(path))
    run_job(job, Folders(Path(path).parents[1]), is_alone=True)


if __name__ == "__main__":
    main(sys.argv[1])
