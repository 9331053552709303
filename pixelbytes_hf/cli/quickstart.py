"""The whole path in minutes, on a laptop: corpus, training, evaluation, creatures, pictures.

Everything comes from the embedded corpus, whose creatures have known attributes, so that what the model makes can be
held against what the sentence says.
"""

from pathlib import Path
from typing import Any

from ..data.tokenize_dataset import tokenize_dataset
from ..evaluation.evaluation import evaluate_baselines, evaluate_model, write_results
from ..evaluation.figures import SheetRow, draw_contact_sheet, draw_learning_curves, draw_sounds
from ..evaluation.tables import format_table
from ..media.pictures import composite_on_white, read_frames
from ..pretrained.json_files import read_json
from ..publishing.samples import TEMPERATURE
from ..runs.run_folder import Run, write_media
from ..tokens.record import DecodedRecord
from ..training.train import HISTORY_NAME, train

NUM_PROMPTS = 64
NUM_SHOWN = 8
PRESET = "mini"
SHOWN_BASELINES = ("uniform", "marginal of the modality", "adaptive count coder")


def run_quickstart(out: str | Path, *, seed: int = 0) -> str:
    """Build, train, evaluate and generate in a new folder.

    Args:
        out: Folder to make. Afterwards it holds ``creature.gif``, ``cry.wav``, ``description.txt``,
            ``contact_sheet.png``, ``cries.png``, ``curves.png``, ``metrics.json``, the corpus and the run.
        seed: Of the corpus, the training and the generation.

    Returns:
        A report that ends with the table of bits per new token beside the trivial baselines.

    Raises:
        FileExistsError: If `out` exists and is not empty.
    """
    from datasets import Audio, Image, load_dataset

    from dataset_builder import build

    folder = Path(out)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"folder {str(folder)!r} is not empty: expected a free name")
    build("mini", folder / "pixelbytes-mini", seed=seed)
    data = load_dataset(str(folder / "pixelbytes-mini"))
    data = data.cast_column("pixels", Image(decode=False)).cast_column("audio", Audio(decode=False))
    run_folder = train(data, PRESET, folder / "run", seed=seed)
    run = Run.load(run_folder)
    test_corpus = tokenize_dataset(data["test"], run.tokenizer)
    results = {PRESET: evaluate_model(run.model, test_corpus, window_length=2048, seed=seed)}
    results |= evaluate_baselines(tokenize_dataset(data["train"], run.tokenizer), test_corpus)
    real = data["test"].select(range(min(NUM_PROMPTS, len(data["test"]))))
    created = run.create(text=real["text"][:], do_sample=True, temperature=TEMPERATURE, seed=seed)
    agreement = measure_agreement(run, real, created)
    write_media(created[0], folder)
    draw_figures(folder, run, real, created, results)
    write_results({"seed": seed, "bits": results, "agreement": agreement}, folder / "metrics.json")
    return "\n".join([f"written to {folder}", "", _format_agreement(agreement), "", format_table(results)])


def draw_figures(folder: Path, run: Run, real: Any, created: list[DecodedRecord], results: dict[str, Any]) -> None:
    """Draw the contact sheet, the first cry beside the real one, and the learning curves over the baselines."""
    shown = zip(real["text"], real["pixels"], created, strict=True)
    rows = [SheetRow(text, _real_frames(picture), made.frames) for text, picture, made in shown]
    draw_contact_sheet(rows[:NUM_SHOWN], folder / "contact_sheet.png")
    cries = {"real": _cry(_through_tokenizer(run, real[0])), "generated": _cry(created[0])}
    draw_sounds(cries, folder / "cries.png")
    references = {f"{name} (test)": results[name]["matched"]["all"]["bits"] for name in SHOWN_BASELINES}
    history = read_json(folder / "run" / HISTORY_NAME)
    draw_learning_curves(history, folder / "curves.png", references=references)


def measure_agreement(run: Run, real: Any, created: list[DecodedRecord]) -> dict[str, Any]:
    """Return how often creatures show what their sentence says, with real records as ceiling, shuffled ones as floor.

    Args:
        run: Whose tokenizer real records pass through, so that the ceiling is what the vocabulary can show.
        real: Rows of the corpus.
        created: One record per row, made from its sentence.
    """
    from dataset_builder.agreement import agreement_bounds, attribute_agreement

    passed = [_through_tokenizer(run, row) for row in real]
    texts, rate = list(real["text"]), round(_cry(passed[0])["sampling_rate"])
    real_media = [record.frames for record in passed], [_cry(record)["array"] for record in passed]
    made_media = [record.frames for record in created], [_cry(record)["array"] for record in created]
    bounds = agreement_bounds(texts, *real_media, rate)
    return {"num_prompts": len(texts), "generated": attribute_agreement(texts, *made_media, rate), **bounds}


def _through_tokenizer(run: Run, row: dict[str, Any]) -> DecodedRecord:
    encoding = run.tokenizer(image=row["pixels"], audio=row["audio"])
    return run.tokenizer.decode_modalities(encoding["labels"], encoding.segments[0])


def _cry(record: DecodedRecord) -> dict[str, Any]:
    assert record.sound is not None, "every record of the embedded corpus has a cry"
    return record.sound


def _real_frames(picture: dict[str, Any]) -> Any:
    return composite_on_white(read_frames(picture).array)


def _format_agreement(agreement: dict[str, Any]) -> str:
    names = list(agreement["generated"])
    rows = [[f"agreement of {agreement['num_prompts']} sentences", *names]]
    for key, label in (("generated", "generated"), ("ceiling", "real (ceiling)"), ("floor", "shuffled (floor)")):
        rows.append([label, *(f"{agreement[key][name]:.0%}" for name in names)])
    return "\n".join(f"{row[0]:28}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in rows)
