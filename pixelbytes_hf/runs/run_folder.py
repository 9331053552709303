"""Run folders: what training leaves behind, read back as a model that makes media.

A run folder holds a checkpoint (``config.json``, weights, tokenizer) and ``layout.json``: the segments that the
training records consist of, which is what `create` makes by default.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from transformers import AutoTokenizer, GenerationConfig
from transformers.utils import GENERATION_CONFIG_NAME

from ..generation.layout import Layout, LayoutLike, as_layout
from ..hub.plain_files import plain_file
from ..media.gif_writer import write_gif
from ..media.sounds import Sound, write_sound
from ..models.pixelbytes.modeling_pixelbytes import aPxBySequenceModel
from ..models.pixelbytes.processing_pixelbytes import PixelBytesProcessor
from ..models.pixelbytes.tokenization_pixelbytes import ActionPixelBytesTokenizer
from ..pretrained.json_files import read_json, read_object, reading
from ..tokens.record import DecodedRecord
from .corpus_layout import LAYOUT_NAME, load_layout
from .files import write_json, write_pretrained

DEFAULT_RATE_HZ = 8000  # of generated sound whose tokenizer leaves rates open
PLAYABLE_RATE_HZ = 8000  # of sound files, at least: what Web Audio promises to play; Chromium refuses under 3000 Hz
LARGE_SCALE = 8
_OBJECT_NAMES = ("config.json", "tokenizer_config.json", "vocab.json", GENERATION_CONFIG_NAME)
SPRITE_NAME, LARGE_NAME, CRY_NAME, TEXT_NAME = "creature.gif", "creature_large.gif", "cry.wav", "description.txt"


@dataclass(frozen=True)
class Run:
    """A trained model with its tokenizer and the layout of its training records.

    Args:
        model: In evaluation mode.
        tokenizer: Of the same vocabulary.
        layout: What a record consists of.
    """

    model: aPxBySequenceModel
    tokenizer: ActionPixelBytesTokenizer
    layout: Layout

    @classmethod
    def load(cls, folder: str | Path, *, follow_links: bool = True) -> "Run":
        """Return the run of a folder.

        Args:
            folder: That `train` or `save` made.
            follow_links: Whether its files may lie elsewhere; False for what is to be published.

        Raises:
            FileNotFoundError: If the folder has no checkpoint or no layout.
            ValueError: If the weights are cut short, the checkpoint and the tokenizer have different vocabularies, or
                a file is a link that is not to be followed.
        """
        for name in ("config.json", LAYOUT_NAME):
            if not (Path(folder) / name).is_file():
                raise FileNotFoundError(
                    f"{str(folder)!r} has no {name}: expected the folder of a finished training run"
                )
        if not follow_links:
            for path in (found for suffix in ("json", "safetensors") for found in Path(folder).glob(f"*.{suffix}")):
                plain_file(folder, path.name)
        for name in _OBJECT_NAMES:
            if (Path(folder) / name).is_file():
                read_object(Path(folder) / name)
        try:
            with reading(Path(folder) / "config.json"):
                model = aPxBySequenceModel.from_pretrained(folder).eval()
        except SafetensorError as error:
            raise ValueError(f"the weights in {str(folder)!r} cannot be read: {error}") from error
        with reading(Path(folder) / "tokenizer_config.json"):
            tokenizer: Any = AutoTokenizer.from_pretrained(folder)
            model.config.check_vocabulary(tokenizer.tables)
        return cls(model, tokenizer, load_layout(folder))

    def save(self, folder: str | Path) -> None:
        """Write what `load` and the Auto classes read, and of each file only the keys that its class knows.

        What is loaded keeps every key that its files held, whoever wrote them; nothing of that goes on.

        Args:
            folder: Made if absent.
        """
        target, generation = Path(folder), Path(folder) / GENERATION_CONFIG_NAME
        names = {*self.tokenizer.options, "context_size"} - {"tokenizer_class"}
        options = {name: value for name, value in self.tokenizer.init_kwargs.items() if name in names}
        write_pretrained(target, self.model, PixelBytesProcessor(type(self.tokenizer)(**options)))
        known = GenerationConfig().to_dict().keys()
        write_json(generation, {key: value for key, value in read_json(generation).items() if key in known})
        write_json(target / LAYOUT_NAME, self.layout.to_dict())

    def layout_after(self, given: Sequence[str]) -> Layout:
        """Return the part of the layout that follows the modalities of a prompt, or all of it if nothing would.

        Raises:
            ValueError: If the layout has no segment beside those given.
        """
        rest = tuple(segment for segment in self.layout.segments if segment.modality not in given)
        if not rest:
            raise ValueError(f"nothing is left to generate after {list(given)}: pass a layout")
        return Layout(rest)

    def layout_from(self, keep: int, **media: Any) -> Layout:
        """Return what is left to generate after the first `keep` tokens of a prompt.

        Args:
            keep: Tokens of the prompt that are used.
            media: The prompt's `text`, `image` and `audio`, as of the tokenizer.

        Raises:
            ValueError: If the prompt has no more than `keep` tokens.
        """
        segments, _ = self.tokenizer.encode_record(**media)
        ends = np.cumsum([segment.ids.size for segment in segments])
        if keep >= ends[-1]:
            raise ValueError(f"keep must be less than the prompt's {ends[-1]} tokens, got {keep}")
        at = int(np.searchsorted(ends, keep, side="right"))
        left = [segment.modality for segment in segments[at:]]
        first, *rest = (segment for segment in self.layout.segments if segment.modality in left)
        is_begun = keep > (ends[at - 1] if at else 0)
        return Layout((replace(first, continues=is_begun), *rest))

    def create(
        self,
        *,
        text: Sequence[str | None] | None = None,
        image: Sequence[Any] | None = None,
        audio: Sequence[Any] | None = None,
        layout: LayoutLike | None = None,
        keep: int | None = None,
        **options: Any,
    ) -> list[DecodedRecord]:
        """Return one record per prompt: the prompt's media and what the model made of them.

        Args:
            text: Prompts' texts, with the next two in lists of one length.
            image: Prompts' pictures.
            audio: Prompts' sounds.
            layout: What to generate; by default the rest of a training record.
            keep: Use only this many tokens of each prompt, for a layout that continues a medium.
            options: Settings of `generate`: `seed`, `do_sample`, `temperature`, `top_k`, `top_p`, ...

        Raises:
            ValueError: If there is no prompt, or it cannot be continued as the layout asks.
        """
        given: dict[str, Any] = {
            name: value for name, value in (("text", text), ("image", image), ("audio", audio)) if value is not None
        }
        padding: dict[str, Any] = {"padding": True, "padding_side": "left", "return_tensors": "pt"}
        prompts = self.tokenizer(**given, **padding, truncation=keep is not None, max_length=keep)
        wanted = self.layout_after(list(given)) if layout is None else as_layout(layout)
        tokens = self.model.generate(**prompts, layout=wanted, tokenizer=self.tokenizer, **options)
        return [self.tokenizer.decode_modalities(row) for row in tokens]


def write_media(record: DecodedRecord, folder: str | Path) -> list[Path]:
    """Write a record as ``creature.gif`` (and enlarged), ``cry.wav`` and ``description.txt``, those that it has.

    Args:
        record: Of a second sound the name is ``cry_2.wav``, and so on; likewise of pictures. Sounds are written as
            `playable_sound` makes them.
        folder: Made if absent; files of these names are replaced.

    Returns:
        The files written.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name in (SPRITE_NAME, LARGE_NAME, CRY_NAME, TEXT_NAME):
        numbered = target.glob(f"{Path(name).stem}_[2-9]{Path(name).suffix}")
        for path in (target / name, *numbered):
            path.unlink(missing_ok=True)  # of another creature
    written = []
    pictures, sounds = ([s for s in record.segments if s.modality == name] for name in ("image", "audio"))
    for number, picture in enumerate(pictures, 1):
        durations = picture.durations_ms or (100,) * len(picture.value)
        for name, scale in ((SPRITE_NAME, 1), (LARGE_NAME, LARGE_SCALE)):
            written.append(_number(target / name, number))
            write_gif(picture.value, written[-1], durations_ms=durations, scale=scale)
    for number, sound in enumerate(sounds, 1):
        written.append(_number(target / CRY_NAME, number))
        write_sound(playable_sound(sound.value), written[-1])
    if record.text is not None:
        (target / TEXT_NAME).write_text(record.text + "\n", encoding="utf-8")
        written.append(target / TEXT_NAME)
    return written


def playable_sound(sound: Mapping[str, Any]) -> Sound:
    """Return a decoded sound as players take it: band limited, at a whole multiple of its own rate.

    The multiple is the least that reaches `PLAYABLE_RATE_HZ`; a sound that has that rate already is left as it is.
    """
    from scipy.signal import resample_poly

    rate = round(sound["sampling_rate"] or DEFAULT_RATE_HZ)
    array, times = np.asarray(sound["array"], np.float32).T, max(1, -(-PLAYABLE_RATE_HZ // rate))
    return Sound(resample_poly(array, times, 1, axis=0) if times > 1 else array, rate * times)


def _number(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_stem(f"{path.stem}_{number}")
