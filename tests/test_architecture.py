"""The rules of the layout: imports point one way, and travelling files import little."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pixelbytes_hf"
# a module may import from its own layer and those above it in this list
LAYERS = [
    ["version", "vocabulary", "palette"],
    [
        "grid",
        "wide_context",
        "contexts",
        "legacy_first",
        "media",
        "text_codec",
        "pixel_codec",
        "level_codec",
        "metrics",
        "schedules",
        "padding",
        "selective_scan",
        "setting_checks",
        "remote_code",
        "backbone_settings",
        "configuration_mixers",
        "legacy_checkpoint",
        "checkpoints",
        "cached_files",
    ],
    ["similarity", "published_first"],
    [
        "record",
        "tokenization_pixelbytes",
        "tokenization_first",
        "processing_pixelbytes",
        "configuration_pixelbytes",
        "configuration_first",
        *("presets", "presets_paper", "presets_small", "compare_settings"),
    ],
    [
        "corruption",
        "augmentation",
        "windows",
        "embeddings",
        "recurrent",
        "mamba_layer",
        "backbones",
        "mixer_lstm",
        "mixer_first_ssm",
        "mixer_first_attention",
        "mixer_bidirectional",
        "mixers",
        "objective_*",
        "objectives",
    ],
    [
        "segment_grammar",
        "grammar",
        "layout",
        "canvas",
        "sampling",
        "infilling",
        "generation_pixelbytes",
        "corpus_layout",
    ],
    ["modeling_pixelbytes"],
    ["rows", "window_ends", "reading", "reading_corrupted", "reading_ends"],
    [
        "continuations",
        "baselines",
        "arx",
        "signal_stream",
        "control_tasks",
        "count_coder",
        "evaluation",
        "optimisers",
        "initialisation",
        "training",
    ],
    ["runs", "figures", "preset_list", "compare_run", "compare_report"],
    ["card_checks", "reproduction", "card_figures", "card_facts", "card_words", "cards"],
    ["hub_requests", "publishing", "fetching"],
    ["samples", "travelling"],
    ["demo_generation", "demo_inputs", "demo_sketch"],
    ["demo_views", "demo_studio", "demo_page", "demo_space"],
    ["hub", "cli_build", "cli_publish"],
    ["quickstart", "compare", "cli"],
]
TRAVELLING = {
    *("vocabulary", "palette", "grid", "wide_context", "contexts", "media", "record"),
    *("text_codec", "pixel_codec", "level_codec"),
    *("tokenization_pixelbytes", "processing_pixelbytes", "configuration_pixelbytes", "mixers"),
    *(
        "setting_checks",
        "remote_code",
        "cached_files",
        "backbone_settings",
        "configuration_mixers",
        "padding",
        "selective_scan",
        "recurrent",
        "mamba_layer",
        "backbones",
    ),
    *("mixer_lstm", "mixer_bidirectional", "mixer_first_ssm", "mixer_first_attention"),
    *("objectives", "legacy_checkpoint", "layout", "segment_grammar", "grammar", "canvas", "sampling", "infilling"),
    *("generation_pixelbytes", "modeling_pixelbytes"),
    *("embeddings", "legacy_first", "configuration_first", "tokenization_first"),
}
ALLOWED = {"torch", "numpy", "PIL", "transformers", "huggingface_hub"}
MODULES = sorted(path for path in PACKAGE.glob("*.py") if path.stem != "__init__")


def layer_of(name):
    name = "objective_*" if name.startswith("objective_") else name
    found = [index for index, names in enumerate(LAYERS) if name in names]
    assert found, f"module {name} is in no layer: add it to LAYERS"
    return found[0]


def imports_of(path):
    """Return (sibling modules, outside packages imported at module level)."""
    siblings, outside = set(), set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1 and node.module, f"{path.name}: import siblings by `from .module import name`"
            assert all(alias.name != "*" for alias in node.names)
            siblings.add(node.module)
    for node in tree.body:
        if isinstance(node, ast.Import):
            outside |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            outside.add(node.module.split(".")[0])
    return siblings, outside - set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_point_to_lower_layers(path):
    siblings, _ = imports_of(path)
    assert all(layer_of(name) <= layer_of(path.stem) for name in siblings)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_travelling_files_import_little(path):
    siblings, outside = imports_of(path)
    if path.stem in TRAVELLING or path.stem.startswith("objective_"):
        assert outside <= ALLOWED
        assert siblings <= TRAVELLING | {name for name in siblings if name.startswith("objective_")}


def test_palette_of_the_console_stands_in_one_place():
    needles = ("A4E4FC", "0xA4, 0xE4, 0xFC", "164, 228, 252")
    sources = [*PACKAGE.glob("*.py"), *(PACKAGE.parent / "dataset_builder").glob("*.py")]
    holders = [path.name for path in sources if any(needle in path.read_text() for needle in needles)]
    assert holders == ["vocabulary.py"]
