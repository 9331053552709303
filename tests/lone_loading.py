"""Loads checkpoints where neither this package nor what it may need beside transformers can be imported.

    with Forks(PREPARATION, environment) as forks:
        forks.run("from lone_loading import main; main('request.json', 'reply.json')", folder=tmp_path)

The request lists checkpoints, each with ``place`` (folder or Hub name) and ``options`` of `from_pretrained`; the reply
says of each where its classes came from, and what it computed from the same inputs as `expected` in `test_push`.
"""

import json
import sys

HIDDEN = {
    *("pixelbytes_hf", "dataset_builder", "model_cards"),
    *("datasets", "soundfile", "scipy", "skimage", "matplotlib", "wrapt", "jinja2", "gradio", "accelerate"),
}


# what a process does first: hide, and only then import what looks for what is hidden
PREPARATION = """
from lone_loading import hide
hide()
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoProcessor, AutoTokenizer
from transformers import GenerationMixin, PreTrainedModel, PythonBackend, ProcessorMixin
"""


def hide():
    """Let nothing of `HIDDEN` be found from here on."""
    sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]


class Hiding:
    """A finder that does not find what is to be hidden."""

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)


def compute(model, tokenizer, layout):
    """Return logits of seeded rows and a seeded generation from a sentence, JSON-able."""
    import torch

    config = model.config
    seeded = torch.Generator().manual_seed(0)
    rows = torch.randint(0, config.vocab_size, (2, 12, config.context_size), generator=seeded)
    with torch.inference_mode():
        logits = model(rows, use_cache=False).logits.double().tolist()
    if layout is None:
        return {"logits": logits}
    inputs = tokenizer(text="a small red beast", return_tensors="pt")
    ids = model.generate(**inputs, layout=layout, tokenizer=tokenizer, do_sample=True, seed=0)
    return {"logits": logits, "ids": ids.tolist(), "text": tokenizer.decode_modalities(ids[0]).text}


def say_what_is_missing(tokenizer):
    """Return what is said to those who encode media without the packages that read them."""
    import numpy as np

    picture, wave = np.zeros((2, 2, 3), np.uint8), {"array": np.zeros((1, 8)), "sampling_rate": 16_000}
    told, resampling = [], type(tokenizer)(sampling_rate_hz=4000)
    for media in ({"image": picture}, {"audio": wave}, {"audio": {"bytes": b"RIFF"}}):
        try:
            resampling(**media)
        except ImportError as error:
            told.append(str(error))
    return told


def main(request, reply):
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoProcessor, AutoTokenizer

    torch.set_num_threads(1)
    answers = []
    with open(request) as file:
        wanted = json.load(file)
    for item in wanted:
        loaders = {"trust_remote_code": True, **item["options"]}
        place = item["place"]
        config = AutoConfig.from_pretrained(place, **loaders)
        tokenizer = AutoTokenizer.from_pretrained(place, **loaders)
        processor = AutoProcessor.from_pretrained(place, **loaders)
        base = AutoModel.from_pretrained(place, **loaders)
        model = AutoModelForCausalLM.from_pretrained(place, **loaders).eval()
        parts = (config, tokenizer, processor, processor.tokenizer, base, model)
        answer = compute(model, tokenizer, item["layout"])
        answer["base"] = all(
            torch.equal(a, b) for a, b in zip(base.parameters(), model.model.parameters(), strict=True)
        )
        answer["classes"] = [f"{type(part).__module__}.{type(part).__name__}" for part in parts]
        answers.append(answer)
    imported = sorted(HIDDEN & {name.partition(".")[0] for name in sys.modules})
    with open(reply, "w") as file:
        json.dump({"answers": answers, "imported": imported, "missing": say_what_is_missing(tokenizer)}, file)
