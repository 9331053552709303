"""A training run of seconds, for the tests that need one; also imported by the processes that tests start."""

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from pixelbytes_hf.data.corpus import TokenCorpus
from pixelbytes_hf.data.windows import WindowDataset
from pixelbytes_hf.tokens.grid import audio_segment, image_segment, text_segment
from pixelbytes_hf.tokens.vocabulary import Vocabulary
from pixelbytes_hf.training.builders import build_model
from pixelbytes_hf.training.presets import get_preset
from pixelbytes_hf.training.sequence.trainer import PixelBytesTrainer
from pixelbytes_hf.training.sequence.training_windows import make_windows
from pixelbytes_hf.training.train import train
from pixelbytes_hf.training.trainer import make_training_arguments

PAPER = Vocabulary.from_preset("paper")
# a small model, dropout and jitter on: everything random takes part in what is resumed
MODEL = {"embedding_dim": 24, "mixer_config": {"hidden_size": 16, "num_hidden_layers": 2, "dropout": 0.2}}
RUN = {"window_length": 24, "stride": 24, "batch_size": 3, "num_train_epochs": 3, "save_steps": 4, "eval_steps": 4}
RUN |= {"jitter": True, "warmup_steps": 2, "logging_steps": 1, "prefix_windows": 1}  # seven steps an epoch


def make_corpus(num_records=7, seed=0):
    rng = np.random.default_rng(seed)
    return TokenCorpus.from_records(
        [
            [
                text_segment(rng.integers(3, 58, 4 + n), PAPER),
                image_segment(rng.integers(58, 62, (2, 3, 3)), PAPER),
                audio_segment(rng.integers(113, 120, (4 + n % 3, 2)), PAPER),
            ]
            for n in range(num_records)
        ],
        PAPER,
    )


def run(folder, *, num_records=7, **options):
    splits = {"train": make_corpus(num_records), "validation": make_corpus(3, seed=1)}
    return train(splits, "mini", folder, model=MODEL, progress=False, **{**RUN, **options})


def weights(folder):
    return {name: value.clone() for name, value in AutoModelForCausalLM.from_pretrained(folder).state_dict().items()}


def assert_same_weights(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def make_trainer(folder, preset="mini", corpus=None, **options):
    plan = get_preset(preset).replace(model=MODEL, **{**RUN, **options})
    corpus = corpus or make_corpus()
    torch.manual_seed(0)
    model = build_model(plan, PAPER, corpus)
    return PixelBytesTrainer(
        model,
        make_training_arguments(plan.training, folder, disable_tqdm=True, use_cpu=True),
        settings=plan.training,
        vocabulary=PAPER,
        train_dataset=make_windows(corpus, plan.training, plan.objective, model.config),
        eval_dataset=WindowDataset(corpus, plan.training.window_length),
    )
