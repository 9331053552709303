"""Mutated files of a run: each is used, or refused by name, never a traceback of whatever went wrong inside."""

import os
import shutil

import pytest
from fuzzing import mutate_file, mutate_json, run_cases

from pixelbytes_hf.cli.main import main
from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.generation.layout import Layout
from pixelbytes_hf.models.pixelbytes.configuration_pixelbytes import PixelBytesConfig
from pixelbytes_hf.models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from pixelbytes_hf.publishing.card_facts import gather_facts
from pixelbytes_hf.publishing.cards import render_model_card
from pixelbytes_hf.runs.run_folder import Run
from pixelbytes_hf.tokens.vocabulary import Vocabulary
from pixelbytes_hf.training.resume import read_record


@pytest.fixture
def mutated(run_folder, tmp_path):
    """Return a function that gives a copy of the run in which one of some files is mutated."""

    def make(rng, *names):
        folder = tmp_path / "run"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(run_folder, folder, copy_function=os.link, ignore=shutil.ignore_patterns("checkpoint*"))
        path = folder / rng.choice(names)
        content = path.read_bytes()
        path.unlink()  # the copy is a link to the run's own
        path.write_bytes(content)
        mutate_file(path, rng)
        return folder

    return make


def test_fuzz_dictionaries(paper):
    tables = Vocabulary((0, 9, 10, 65), ((0, 0, 0), (1, 2, 3)), (-0.5, 0.5)).to_dict()
    segments = [
        {"modality": "text", "max_length": 3, "continues": False},
        {"modality": "image", "frames": 2, "height": None, "width": 3, "max_height": 4},
        {"modality": "audio", "channels": 2, "given": {"0": [120, 121]}},
    ]
    config = PixelBytesConfig(embedding_dim=12, mixer_config={"hidden_size": 8}).to_dict()
    options = ActionPixelBytesTokenizer(slicing={"image": [1, 2, 2]}, sampling_rate_hz=2000).options
    sources = [
        (Vocabulary.from_dict, tables),
        (Layout.from_dict, {"segments": segments}),
        (PixelBytesConfig.from_dict, config),
        (lambda content: ActionPixelBytesTokenizer(**content), {**options, "vocabulary": tables}),
    ]

    def attempt(rng):
        read, content = rng.choice(sources)
        content = mutate_json(content, rng)
        if isinstance(content, dict):
            read(content)

    run_cases(0.3, attempt)


def test_fuzz_run_loads_or_refuses(mutated):
    names = "config.json", "layout.json", "tokenizer_config.json", "vocab.json", "generation_config.json"
    run_cases(0.02, lambda rng: Run.load(mutated(rng, *names)))


def test_fuzz_facts_are_gathered_or_refused(mutated):
    names = "training.json", "history.json", "config.json", "layout.json"

    def attempt(rng):
        folder = mutated(rng, *names)
        if rng.random() < 0.3:
            read_record(folder)
        render_model_card(gather_facts(folder, name="x"))

    run_cases(0.02, attempt)


def test_fuzz_corpus_loads_or_refuses(paper, tmp_path, rng):
    from pixelbytes_hf.tokens.grid import text_segment

    TokenCorpus.from_records([[text_segment(rng.integers(3, 50, 20), paper)] for _ in range(3)], paper).save(
        tmp_path / "whole"
    )

    def attempt(rng):
        folder = tmp_path / "corpus"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "whole", folder)
        mutate_file(folder / "corpus.json", rng)
        TokenCorpus.load(folder)

    run_cases(0.04, attempt)


def test_fuzz_commands_over_a_mutated_run(mutated, corpus, tmp_path, capsys):
    names = "config.json", "layout.json", "tokenizer_config.json", "vocab.json", "training.json", "history.json"

    def attempt(rng):
        folder = str(mutated(rng, *names))
        commands = [
            ["push", folder, "user/name", "--dry-run", "--no-samples"],
            ["generate", folder, "--text", "a red beast", "--layout", "text", "--out", str(tmp_path / "media")],
        ]
        assert main([*rng.choice(commands), "--traceback"]) == 0

    run_cases(0.003, attempt)
