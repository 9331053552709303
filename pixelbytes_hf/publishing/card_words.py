"""The sentences of a model's card that depend on the run: what it is, what it learnt from, what it is not for.

Knows facts and words; the template has the sentences that every card shares.
"""

from .card_facts import CardFacts
from .card_figures import Json

_MEDIA = {"text": "sentences", "image": "sprites", "audio": "sounds"}
OBJECTIVES = {
    "predictive": "the next token from the context cells of the position",
    "autoregressive": "the whole next row of context cells",
    "last": "the token after a window",
    "diffusion": "rows of context cells that noise replaced",
    "masked": "hidden tokens from those around them",
}
ORIGIN_TEXTS = {
    "procedural": (
        "Its creatures were made by code from a seed: no drawing, recording or sentence of anybody is in it, and "
        "anyone can make the same corpus again."
    ),
    "control": (
        "Its signals were simulated by code from a seed: linear systems of order one to three, driven by known inputs "
        "and steered by controllers. No measured signal is in it, and anyone can make the same corpus again."
    ),
    "third-party": (
        "Its sprites, cries and descriptions are works of Nintendo, Creatures Inc. and GAME FREAK inc., read from "
        "PokeAPI's public repositories. They are not part of this repository, and the licence of the code does not "
        "cover them: build the corpus yourself."
    ),
    "unknown": "Where its records come from, and whose they are, is not known to the program that made this card.",
}
# the first sentences of what a model is not for; what holds for all is in the template
MISUSE_TEXTS = {
    "procedural": "It is a demonstration of a method on toy data, of no use as a source of pictures or sounds.",
    "control": (
        "It is a demonstration of a method on simulated systems. Never let it steer a real plant, vehicle or machine: "
        "it gives no guarantee of stability, knows no limits but those of its levels, and has seen no disturbance."
    ),
    "third-party": (
        "It is for research. Its training data belong to others, and its outputs can contain them: do not sell them, "
        "do not pass them off as your own or as the owners', do not publish the weights where the owners' rights "
        "forbid it, and do not train other models on outputs as if they were free of those rights."
    ),
    "unknown": (
        "Whoever publishes it should say here what its data may be used for; until then, assume that the outputs can "
        "contain training records and that these belong to somebody."
    ),
}


def summary(facts: CardFacts, modalities: list[str]) -> str:
    """Return what the model is, in one sentence."""
    media = "control signals" if facts.dataset["origin"] == "control" else _join([_MEDIA[name] for name in modalities])
    return (
        f"A PixelBytes model of {thousands(facts.parameters)} parameters that reads and predicts {media} as one "
        f"stream of tokens, trained on {corpus_name(facts)}."
    )


def corpus_name(facts: CardFacts) -> str:
    """Return how the corpus is called."""
    name = facts.dataset["name"]
    return f"`{name}`" if name else "a corpus that its record does not name"


def corpus_sentence(facts: CardFacts) -> str:
    """Return what the model was trained on."""
    counts = facts.dataset["num_records"]
    sizes = [f"{thousands(number)} records in {split}" for split, number in counts.items()]
    return f"It was trained on {corpus_name(facts)}{f' ({_join(sizes)})' if sizes else ''}."


def description(facts: CardFacts) -> str:
    """Return context, embedding, mixer and objective in words."""
    config = facts.config
    mixer = config["mixer_config"]
    size = {name: mixer[name] for name in ("hidden_size", "num_hidden_layers") if name in mixer}
    sized = f" of width {size['hidden_size']}" if "hidden_size" in size else ""
    layers = f", layers: {size['num_hidden_layers']}" if "num_hidden_layers" in size else ""
    preset = f" The nearest preset is `{facts.preset}`." if facts.preset else ""
    start = f" It was trained further from `{facts.base_model}`." if facts.base_model else ""
    return (
        f"Each position is described to the model by {config['context_size']} cells, its neighbours in space and "
        f"time, as ids of a vocabulary of {config['vocab_size']}; their embedding (`{config['embedding']}`, width "
        f"{config['embedding_dim']} in all) goes through a mixer (`{mixer['model_type']}`{sized}{layers}). The "
        f"objective is `{config['objective']}`: it predicts {OBJECTIVES[config['objective']]}.{preset}{start}"
    )


def training_text(facts: CardFacts) -> str:
    """Return how long training took, as far as it was recorded."""
    total = facts.training["total"]
    tokens = f", {thousands(total['tokens'])} tokens read" if total.get("tokens") else ""
    seconds = f", {total['seconds']:,.0f} seconds of training steps" if "seconds" in total else ""
    return f"Training took {thousands(total['steps'])} steps{tokens}{seconds}."


def licence_text(licence: Json, origin: str) -> str:
    """Return what the licences of weights, code and data are."""
    if licence["id"] == "other":
        text = f"The weights are under no free licence: `{licence['name']}`, explained [here]({licence['link']})."
    elif licence["id"] == "unknown":
        text = "The licence of the weights is not known to the program that made this card."
    else:
        text = f"The weights are under `{licence['id']}`."
    rights = " The media that they were trained on belong to their owners." if origin == "third-party" else ""
    return f"{text} The code is under Apache 2.0.{rights}"


def thousands(number: int) -> str:
    """Return a number with commas."""
    return f"{number:,}"


def _join(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
