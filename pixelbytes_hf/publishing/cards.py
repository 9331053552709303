"""Cards of models: the facts that `card_facts` gathered, as Markdown with the metadata that the Hub reads.

The words stand in ``model_card.md.jinja``; here are the metadata, the tables and the filters that make text from
outside inert.
"""

import json
import re
from dataclasses import asdict
from typing import Any

from ..evaluation.tables import TABLE_KINDS, align_table
from ..objectives.objectives import find_objective
from ..pretrained.json_files import reading
from .card_facts import CardFacts
from .records import Json

TEMPLATE_NAME = "model_card.md.jinja"
_TABLE, _BAR = re.compile(r"^\|.*(?:\n\|.*)*", re.MULTILINE), re.compile(r"(?<!\\)\|")
_ACTIVE = re.compile(r"([\\`*<>\[\]|&#]|^[-+=])")  # what Markdown could read as HTML, links, code, cells or headings


def render_model_card(facts: CardFacts) -> str:
    """Return the README of a model: YAML with the figures, matched bits first, and text.

    Args:
        facts: From `gather_facts`.

    Raises:
        ValueError: If a value that the card shows is missing, or the metadata cannot be read.
    """
    from huggingface_hub import ModelCard
    from jinja2 import TemplateError

    try:
        with reading("facts"):
            rendered, metadata = render_template(TEMPLATE_NAME, **asdict(facts)), _metadata(facts)
    except TemplateError as error:
        raise ValueError(f"the card lacks a fact: {error}") from error
    lines = [line.rstrip() for line in rendered.strip().splitlines()]
    body = "\n".join(line for n, line in enumerate(lines) if line or lines[n - 1])
    text = f"---\n{metadata}\n---\n\n{_TABLE.sub(_align, body)}\n"
    ModelCard(text, ignore_metadata_errors=False)
    return text


def render_template(template_name: str, /, **facts: Any) -> str:
    """Return a template of this room with facts in it; raises jinja2's TemplateError where one is absent."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # no escapes of HTML, which Markdown would show
    blanks: Json = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    loader = PackageLoader(str(__package__), ".")
    environment = Environment(loader=loader, undefined=StrictUndefined, finalize=_present, **blanks)
    environment.filters |= {"md": inert, "code": _code, "json": json.dumps, "number": _number, "share": _share}
    environment.filters["filled"] = _filled
    return environment.get_template(template_name).render(facts)


def inert(text: str) -> str:
    r"""Return text in one line that Markdown shows as it is.

    Example:
        >>> print(inert("<b>[x](javascript:y)"))
        \<b\>\[x\](javascript:y)
    """
    return _ACTIVE.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    # a backtick would end the code, a bar the cell that it stands in
    return f"`{' '.join(re.sub('[`|]', ' ', text).split())}`"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _share(value: float) -> str:
    return f"{value:.1%}"


def _filled(segment: Json) -> Json:
    return {name: value for name, value in segment.items() if value not in (None, False)}


def _align(table: re.Match[str]) -> str:
    return align_table([[cell.strip() for cell in _BAR.split(row)[1:-1]] for row in table[0].splitlines()])


def _present(value: Any) -> Any:
    if value is None:
        raise ValueError("card must hold no missing value, got None")
    return value


def _metadata(facts: CardFacts) -> str:
    from huggingface_hub import ModelCardData

    data, is_control = facts.dataset, facts.dataset["origin"] == "control"
    modalities = {segment["modality"] for segment in facts.layout["segments"]}
    makes_text = modalities == {"text"}
    task = "time-series-forecasting" if is_control else "text-generation" if makes_text else "any-to-any"
    is_sequential = find_objective(facts.config["objective"]).decoding == "sequential"
    card = ModelCardData(
        language="en",
        license=facts.licence["id"],
        license_name=facts.licence["name"],
        license_link=facts.licence["link"],
        library_name="transformers",
        # of transformers' pipelines only this one serves the model, and it writes nothing but text
        pipeline_tag="text-generation" if makes_text and facts.generates and is_sequential else None,
        tags=["pixelbytes", "control" if is_control else "pixel-art", "multimodal"],
        datasets=[data["name"]] if "/" in (data["name"] or "") else None,
        base_model=facts.base_model if "/" in (facts.base_model or "") else None,
        model_name=facts.name,
        eval_results=_eval_results(facts, task),
    )
    return card.to_yaml()


def _eval_results(facts: CardFacts, task: str) -> list[Any]:
    from huggingface_hub import EvalResult

    result, name = facts.evaluation["result"], facts.dataset["name"] or "corpus"
    bound = ", upper bound" if result["likelihood"] == "upper bound" else ""
    matched = {kind: result["matched"][kind] for kind in TABLE_KINDS if kind in result["matched"]}
    metrics = [
        (f"matched_bits_{kind}", f"Bits per new token, {kind.replace('_', ' ')} tokens{bound}", row["bits"])
        for kind, row in matched.items()
    ]
    if matched:
        metrics[0] = ("matched_bits", *metrics[0][1:])
        metrics.append(("accuracy", "Accuracy of new tokens", matched["all"]["accuracy"]))
    elif "hidden" in result:
        metrics.append(("hidden_accuracy", "Accuracy of hidden tokens", result["hidden"]["accuracy"]))
    else:
        metrics.append(("accuracy", "Accuracy of context cells", result["paper"]["accuracy"]))
    shared = {"task_type": task, "dataset_type": name, "dataset_name": name, "dataset_config": facts.dataset["config"]}
    shared["dataset_split"] = facts.evaluation["split"]
    return [EvalResult(**shared, metric_type=m, metric_name=n, metric_value=float(value)) for m, n, value in metrics]
