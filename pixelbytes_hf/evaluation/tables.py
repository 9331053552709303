"""Figures as Markdown tables: bits per new token and accuracy per kind, a row a model or baseline."""

from collections.abc import Mapping, Sequence
from typing import Any

TABLE_KINDS = ("all", "text", "pixel", "level", "row_end", "segment_end")


def format_table(results: Mapping[str, Any]) -> str:
    """Return results as a Markdown table: bits per new token and accuracy per kind, then the paper's figures.

    Args:
        results: By name of the row, as `evaluate_model` and `evaluate_baselines` return them.
    """
    kinds = [kind for kind in TABLE_KINDS if any(kind in result.get("matched", {}) for result in results.values())]
    head = ["bits per new token / accuracy", *(kind.replace("_", " ") for kind in kinds), "paper's loss / accuracy"]
    rows = [head]
    for name, result in results.items():
        matched, paper = result.get("matched", {}), result.get("paper", {})
        cells = [_format_pair(row["bits"], row["accuracy"]) if (row := matched.get(kind)) else "" for kind in kinds]
        name = f"{name} (upper bound)" if result.get("likelihood") == "upper bound" else name
        every = result.get("settings", {}).get("every", 1)
        name = f"{name} (one token in {every})" if every > 1 else name
        rows.append([name, *cells, _format_pair(paper.get("loss"), paper.get("accuracy"))])
    return align_table(rows)


def align_table(rows: Sequence[Sequence[str]]) -> str:
    """Return cells as a Markdown table; the first row is the head, only the first column is left-aligned.

    Example:
        >>> print(align_table([["name", "bits"], ["a", "1"]]))
        | name | bits |
        |------|-----:|
        | a    |    1 |
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| "
        + " | ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2 - (n > 0)) + ":" * (n > 0) for n, width in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _format_pair(first: float | None, fraction: float | None) -> str:
    if first is None and fraction is None:
        return ""
    return f"{'-' if first is None else format(first, '.3f')} / {'-' if fraction is None else format(fraction, '.1%')}"
