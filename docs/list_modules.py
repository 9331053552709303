"""Write the list of modules, ``docs/modules.md``: every module in reading order, described as it describes itself.

    python docs/list_modules.py

A module that is in no group below is refused, so that none is forgotten.
"""

import ast
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_name("modules.md")
PACKAGES = ("pixelbytes_hf", "dataset_builder")
INTRODUCTION = """# Every module, in reading order

Each module says in its first line what it is, and that line stands here; `python docs/list_modules.py` writes this
page. Imports follow the layers of `tests/test_architecture.py`. `pixelbytes_hf` is flat, because a checkpoint can only
carry files that lie beside each other.
"""
# names in order; a pattern stands for all names it matches that no other group or place has
GROUPS: dict[str, tuple[str, ...]] = {
    "What a token is, and what a position sees": (
        *("vocabulary", "grid", "wide_context", "contexts", "media", "text_codec", "pixel_codec", "level_codec"),
        *("record", "palette", "tokenization_pixelbytes", "tokenization_first", "published_first"),
        "processing_pixelbytes",
    ),
    "Corpora and windows": ("windows", "augmentation", "corruption", "window_ends"),
    "The model": (
        *("setting_checks", "backbone_settings", "configuration_mixers", "configuration_pixelbytes"),
        *("configuration_first", "embeddings", "padding", "recurrent", "mixer_lstm", "selective_scan", "mamba_layer"),
        *("backbones", "mixer_bidirectional", "mixer_first_ssm", "mixer_first_attention", "mixers"),
        *("objective_predictive", "objective_autoregressive", "objective_last", "objective_diffusion"),
        *("objective_masked", "objectives", "modeling_pixelbytes", "legacy_checkpoint", "legacy_first"),
    ),
    "Generation": (
        *("layout", "segment_grammar", "grammar", "canvas", "sampling", "generation_pixelbytes", "infilling"),
    ),
    "Training": (
        *("presets", "presets_paper", "presets_small", "preset_list", "initialisation", "optimisers", "schedules"),
        *("corpus_layout", "checkpoints", "training"),
    ),
    "Measuring": (
        *("metrics", "similarity", "rows", "baselines", "count_coder", "reading", "reading_ends", "reading_corrupted"),
        *("evaluation", "continuations", "signal_stream", "arx", "control_tasks", "figures", "metrics/*"),
    ),
    "Runs, comparisons, the command line": (
        *("runs", "compare_settings", "compare_run", "compare_report", "compare", "quickstart", "cli", "cli_*"),
        "version",
    ),
    "Publishing": (
        *(
            "cached_files",
            "fetching",
            "hub_requests",
            "publishing",
            "remote_code",
            "travelling",
            "samples",
            "card_*",
            "cards",
        ),
        *("reproduction", "hub"),
    ),
    "The demo page": ("demo_*",),
    "The corpora's own package, `dataset_builder`": (
        *("dataset_builder/record", "dataset_builder/attributes", "dataset_builder/creatures"),
        *("dataset_builder/measures", "dataset_builder/agreement", "dataset_builder/mini", "dataset_builder/sources"),
        *("dataset_builder/pokemon", "dataset_builder/pixelize", "dataset_builder/signals"),
        *("dataset_builder/linear_systems", "dataset_builder/controllers", "dataset_builder/control"),
        *("dataset_builder/splits", "dataset_builder/builder", "dataset_builder/*"),
    ),
}


def find_modules() -> dict[str, Path]:
    """Return every module by its name in `GROUPS`: the package's own without a folder before it."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    named = {path.relative_to(ROOT).with_suffix("").as_posix(): path for path in paths if path.stem != "__init__"}
    return {name.removeprefix("pixelbytes_hf/"): path for name, path in named.items()}


def describe(path: Path) -> str:
    """Return the first line of a module's docstring, without its full stop.

    Raises:
        ValueError: If it has none.
    """
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not text:
        raise ValueError(f"{path.relative_to(ROOT)} must begin with a docstring, got none")
    return text.splitlines()[0].removesuffix(".").replace("``", "`").replace("|", "\\|")


def render() -> str:
    """Return the page.

    Raises:
        ValueError: If a module is in no group, or a group names one that does not exist.
    """
    modules = find_modules()
    named = {name for names in GROUPS.values() for name in names}
    if absent := sorted(name for name in named if not any(fnmatch(module, name) for module in modules)):
        raise ValueError(f"GROUPS names {absent}, of which there is no module")
    lines, listed = [INTRODUCTION.rstrip()], set()
    for heading, names in GROUPS.items():
        lines += ["", f"## {heading}", "", "| file | what |", "|---|---|"]
        for name in names:
            for module, path in modules.items():
                is_meant = module == name or (fnmatch(module, name) and module not in named)
                if is_meant and module not in listed:
                    listed.add(module)
                    lines.append(f"| `{path.relative_to(ROOT).as_posix()}` | {describe(path)} |")
    if forgotten := sorted(modules.keys() - listed):
        raise ValueError(f"modules {forgotten} are in no group: add them to GROUPS in {Path(__file__).name}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
