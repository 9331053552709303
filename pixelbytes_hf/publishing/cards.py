"""Cards of models: what `card_facts` gathered, as Markdown with the metadata that the Hub reads.

The words stand in ``model_card.md.jinja`` and `card_words`, the numbers in the facts; a card that
holds another number, or nothing where something belongs, is not returned.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from ..evaluation.tables import TABLE_KINDS, align_table
from .card_checks import MATCHED_BITS, check_card, find_untraced
from .card_facts import CardFacts, gather_facts
from .card_figures import Json
from .card_words import (
    MISUSE_TEXTS,
    OBJECTIVES,
    ORIGIN_TEXTS,
    corpus_name,
    corpus_sentence,
    description,
    licence_text,
    summary,
    thousands,
    training_text,
)

__all__ = ["CardFacts", "check_card", "gather_facts", "invented_numbers", "render_model_card"]

TEMPLATE_NAME = "model_card.md.jinja"
_TASKS: Mapping[frozenset[str], str] = {
    frozenset(["text"]): "text-generation",
    frozenset(["image"]): "unconditional-image-generation",
    frozenset(["audio"]): "audio-to-audio",
    frozenset(["text", "image"]): "text-to-image",
    frozenset(["text", "audio"]): "text-to-audio",
    frozenset(["image", "audio"]): "any-to-any",
    frozenset(["text", "image", "audio"]): "any-to-any",
}
_EXAMPLES = {
    "text": 'text="a small red leaf beast"',
    "image": "image=np.zeros((1, 8, 8, 3), np.uint8)",
    "audio": 'audio={"array": np.zeros((2, 16), np.float32), "sampling_rate": 4000}',
}
_SHOWN_SETTINGS = (
    *(
        "window_length",
        "batch_size",
        "gradient_accumulation_steps",
        "optimiser",
        "learning_rate",
        "matrix_learning_rate",
    ),
    *("schedule", "warmup_steps", "weight_decay", "max_grad_norm", "initialisation", "seed"),
)
_SHOWN_IF_USED = ("prefix_windows", "repeats", "jitter", "mirror", "invert", "bf16")


def render_model_card(facts: CardFacts) -> str:
    """Return the README of a model: YAML with the figures, matched bits first, and text.

    Args:
        facts: From `gather_facts`.

    Raises:
        ValueError: If the card would hold something empty or broken, or a number that is not among the facts.
    """
    from jinja2 import Environment, StrictUndefined

    # the output is Markdown, in which HTML's escapes would show
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    body = environment.from_string(_read_template()).render(_view(facts))
    text = f"---\n{_front_matter(facts)}---\n\n{_squeeze(body)}\n"
    check_card(text)
    if invented := invented_numbers(text, facts):
        raise ValueError(f"card must hold only numbers of its facts, got {invented}")
    return text


def invented_numbers(text: str, facts: CardFacts) -> list[str]:
    """Return the numbers of a card that are neither among its facts nor in the words that every card shares."""
    words = [_EXAMPLES, OBJECTIVES, ORIGIN_TEXTS, MISUSE_TEXTS]
    return find_untraced(text, facts.to_dict(), template=_read_template() + json.dumps(words))


def _read_template() -> str:
    return (files(__package__) / TEMPLATE_NAME).read_text(encoding="utf-8")


def _squeeze(body: str) -> str:
    """Return Markdown without lines that are blank twice in a row."""
    lines = [line.rstrip() for line in body.strip().splitlines()]
    return "\n".join(line for n, line in enumerate(lines) if line or lines[n - 1])


def _front_matter(facts: CardFacts) -> str:
    from huggingface_hub import ModelCardData

    data = facts.dataset
    licence = facts.licence
    card = ModelCardData(
        language="en",
        license=licence["id"],
        license_name=licence["name"],
        license_link=licence["link"],
        library_name="transformers",
        pipeline_tag=_task(facts),
        tags=["pixelbytes", "control" if data["origin"] == "control" else "pixel-art", "multimodal"],
        datasets=[data["name"]] if "/" in (data["name"] or "") else None,
        base_model=facts.base_model if "/" in (facts.base_model or "") else None,
        model_name=facts.name,
        eval_results=_eval_results(facts),
    )
    return f"{card.to_yaml()}\n"


def _task(facts: CardFacts) -> str:
    if facts.dataset["origin"] == "control":
        return "time-series-forecasting"
    return _TASKS[frozenset(segment["modality"] for segment in facts.layout["segments"])]


def _eval_results(facts: CardFacts) -> list[Any]:
    from huggingface_hub import EvalResult

    result, name = facts.evaluation["result"], facts.dataset["name"] or "corpus"
    bound = ", upper bound" if result["likelihood"] == "upper bound" else ""
    matched, metrics = result["matched"], []
    for kind in (kind for kind in TABLE_KINDS if kind in matched):
        label = "all tokens" if kind == "all" else f"{kind.replace('_', ' ')} tokens"
        kind_type = MATCHED_BITS if kind == "all" else f"{MATCHED_BITS}_{kind}"
        metrics.append((kind_type, f"Bits per new token, {label}{bound}", matched[kind]["bits"]))
    if matched:
        metrics.append(("accuracy", "Accuracy of new tokens", matched["all"]["accuracy"]))
    elif "hidden" in result:
        metrics.append(("hidden_accuracy", "Accuracy of hidden tokens", result["hidden"]["accuracy"]))
    else:
        metrics.append(("accuracy", "Accuracy of context cells", result["paper"]["accuracy"]))
    config = facts.dataset["config"]
    shared = {"task_type": _task(facts), "dataset_type": name, "dataset_name": name, "dataset_config": config}
    return [
        EvalResult(
            **shared,
            dataset_split=facts.evaluation["split"],
            metric_type=kind,
            metric_name=label,
            metric_value=float(value),
        )
        for kind, label, value in metrics
    ]


def _view(facts: CardFacts) -> Json:
    """Return what the template names."""
    evaluation, result = facts.evaluation, facts.evaluation["result"]
    origin = facts.dataset["origin"]
    corpus = result.get("corpus", {})
    modalities = [segment["modality"] for segment in facts.layout["segments"]]
    can_answer = facts.generates and modalities[0] == "text" and len(modalities) > 1
    return {
        "name": facts.name,
        "summary": summary(facts, modalities),
        "samples": facts.samples,
        "is_scored": bool(result["matched"]),
        "likelihood": result["likelihood"],
        "figures": _figures_table(evaluation),
        "split": evaluation["split"],
        "corpus_name": corpus_name(facts),
        "evaluated_records": thousands(corpus["num_records"]) if "num_records" in corpus else "",
        "evaluated_fingerprint": corpus.get("fingerprint") or "",
        "window_length": thousands(result["settings"]["window_length"]),
        "state": result["settings"]["state"],
        "references": evaluation["references"],
        "tables": [{**table, "text": _number_table(table)} for table in facts.tables],
        "place": _place(facts),
        "repo_id": facts.repo_id or "",
        "prompt": "layout" if can_answer else "logits",
        "example": _EXAMPLES[modalities[0]],
        "layout": _layout_code(facts.layout["segments"][1:]),
        "description": description(facts),
        "data_text": f"{corpus_sentence(facts)} {ORIGIN_TEXTS[origin]}",
        "data_table": _data_table(facts.training["data"]),
        "training_text": training_text(facts),
        "settings_table": _settings_table(facts.training["settings"], is_new=facts.base_model is None),
        "commands": facts.commands,
        "versions": ", ".join(f"{name} {version}" for name, version in facts.training["versions"].items()),
        "threads": facts.training["threads"] or "",
        "misuse": MISUSE_TEXTS[origin],
        "has_media": origin != "control",
        "licence_text": licence_text(facts.licence, origin),
    }


def _figures_table(evaluation: Json) -> str:
    result = evaluation["result"]
    matched = result["matched"]
    if not matched:
        figures = result.get("hidden") or result["paper"]
        kind = "hidden tokens" if "hidden" in result else "context cells"
        return align_table([[kind, "accuracy"], ["this model", _share(figures["accuracy"])]])
    kinds = [kind for kind in TABLE_KINDS if kind in matched]
    rows = [["bits per new token", *(kind.replace("_", " ") for kind in kinds)]]
    rows.append(["**this model**", *(f"**{matched[kind]['bits']:.3f}**" for kind in kinds)])
    for name, reference in evaluation["references"].items():
        known = reference["matched"]
        rows.append([name, *(f"{known[kind]['bits']:.3f}" if kind in known else "-" for kind in kinds)])
    rows.append(["this model's accuracy", *(_share(matched[kind]["accuracy"]) for kind in kinds)])
    rows.append(["tokens", *(thousands(matched[kind]["tokens"]) for kind in kinds)])
    return align_table(rows)


def _number_table(table: Json) -> str:
    columns = list(next(iter(table["rows"].values())))
    show = _share if table["unit"] == "share" else _number
    rows = [[name, *(show(row[column]) for column in columns)] for name, row in table["rows"].items()]
    return align_table([["", *columns], *rows])


def _data_table(data: Json) -> str:
    rows = [[split, thousands(part["num_tokens"]), f"`{part['fingerprint']}`"] for split, part in data.items()]
    return align_table([["split", "tokens", "fingerprint of the tokens"], *rows])


def _settings_table(settings: Json, *, is_new: bool) -> str:
    unused = [] if settings.get("optimiser") == "muon" else ["matrix_learning_rate"]
    unused += [] if is_new else ["initialisation"]  # of weights that began as another run's
    names = [name for name in _SHOWN_SETTINGS if settings.get(name) is not None and name not in unused]
    names += [name for name in _SHOWN_IF_USED if settings.get(name)]
    rows = [[name.replace("_", " "), _setting(settings[name])] for name in names]
    return align_table([["setting", "value"], *rows])


def _setting(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _layout_code(segments: list[Json]) -> str:
    chosen = [{key: value for key, value in segment.items() if value not in (None, False)} for segment in segments]
    return json.dumps({"segments": chosen})


def _place(facts: CardFacts) -> str:
    place = json.dumps(facts.repo_id or f"runs/{facts.name}")
    return f"{place}, subfolder={json.dumps(facts.subfolder)}" if facts.subfolder else place


def _share(number: float) -> str:
    return f"{number:.1%}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
