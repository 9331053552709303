"""Figures as Markdown tables: bits per new token and accuracy per kind, a row a model or baseline."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

TABLE_KINDS = ("all", "text", "pixel", "level", "image_code", "audio_code", "task", "row_end", "segment_end")


def format_table(results: Mapping[str, Any]) -> str:
    """Return results as a Markdown table: bits per new token and accuracy per kind, then the paper's figures.

    Args:
        results: By name of the row, as `evaluate_model` and `evaluate_baselines` return them.
    """
    kinds = find_kinds(results.values())
    head = ["bits per new token / accuracy", *(kind.replace("_", " ") for kind in kinds), "paper's loss / accuracy"]
    rows = [head]
    for name, result in results.items():
        matched, paper = result.get("matched", {}), result.get("paper", {})
        cells = [format_pair(row["bits"], row["accuracy"]) if (row := matched.get(kind)) else "" for kind in kinds]
        name = f"{name} (upper bound)" if result.get("likelihood") == "upper bound" else name
        every = result.get("settings", {}).get("every", 1)
        name = f"{name} (one token in {every})" if every > 1 else name
        rows.append([name, *cells, format_pair(paper.get("loss"), paper.get("accuracy"))])
    return align_table(rows)


def find_kinds(results: Collection[Mapping[str, Any]]) -> list[str]:
    """Return the kinds of tokens that any of the results has, in the order of tables."""
    return [kind for kind in TABLE_KINDS if any(kind in result.get("matched", {}) for result in results)]


def align_table(rows: Sequence[Sequence[str]]) -> str:
    """Return cells as a Markdown table; the first row is the head, only the first column is left-aligned.

    Example:
        >>> print(align_table([["name", "bits"], ["a", "1"]]))
        | name | bits |
        |------|-----:|
        | a    |    1 |
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = ["<"] + [">"] * (len(widths) - 1)
    head, *body = (
        "| " + " | ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)) + " |"
        for row in rows
    )
    rule = "|".join(["", "-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:]), ""])
    return "\n".join([head, rule, *body])


def format_pair(loss: float | None, accuracy: float | None) -> str:
    """Return a loss, or bits, and an accuracy, ``-`` where one of them is not known."""
    if loss is None and accuracy is None:
        return ""
    return f"{'-' if loss is None else format(loss, '.3f')} / {'-' if accuracy is None else format(accuracy, '.1%')}"
