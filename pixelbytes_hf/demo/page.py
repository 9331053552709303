"""The demo page: components and how they are wired; what they do is `demo_studio`.

`gradio` is imported by the functions that need it. The page loads nothing from elsewhere: system fonts, own scripts.
"""

from collections.abc import Iterator
from functools import partial
from html import escape
from pathlib import Path
from threading import Event
from typing import Any

from ..runs.run_folder import Run
from .inputs import background_index, blank_drawing, layout_of, longest_cry_seconds, sprite_size
from .session import AT_ONCE, FILES, Shown, Studio
from .streaming import draws_at_once
from .views import MEDIUM_NAMES, name_media, palette_of, read_asset

MOST_WAITING = 32
SHOWN_AT_ONCE = 8  # visitors: what the model has made is shown more slowly than it is made
MOST_BYTES = "8mb"  # of an uploaded file
KEPT_SECONDS = 3600  # files of a visit
DEFAULT_TEMPERATURE = 0.4
MOST_FRAMES, MOST_SECONDS = 8, 0.5  # unless a visitor asks for more
PARTS = ("stage", "status", "odds", "record", "seed", "player", "sprite", "large", "cry")
TITLE = "PixelBytes"


class DemoPage:
    """A page on which a run makes sprites, cries and sentences.

    Args:
        run: The run.
        title: Shown on top.
    """

    def __init__(self, run: Run, *, title: str = TITLE) -> None:
        """Build the page."""
        import gradio

        self.gr, self.run, self.studio = gradio, run, Studio(run)
        self.parts: dict[str, Any] = {}
        self._stops: dict[str | None, Event] = {}  # of the visitors who are being served
        with gradio.Blocks(
            title=title, analytics_enabled=False, delete_cache=(KEPT_SECONDS, KEPT_SECONDS)
        ) as self.blocks:
            self._build_header(title)
            with gradio.Row(elem_id="pb-main"):
                with gradio.Column(scale=5, min_width=320, elem_id="pb-wishes"):
                    self._build_beginning()
                    self._build_wish()
                with gradio.Column(scale=6, min_width=320, elem_id="pb-result"):
                    self._build_result()
            self._wire()
        self.blocks.queue(max_size=MOST_WAITING, default_concurrency_limit=AT_ONCE)

    def launch(self, **options: Any) -> Any:
        """Serve the page; `options` are gradio's, and win over ours."""
        gr = self.gr
        theme = gr.themes.Base(
            primary_hue="red", neutral_hue="slate", radius_size="sm", font=["system-ui", "sans-serif"],
            font_mono=["ui-monospace", "monospace"],
        )  # fmt: skip
        ours = {
            "theme": theme,
            "css": read_asset("page.css"),
            "footer_links": [],
            "ssr_mode": False,
            "share": False,
            "pwa": False,
            "mcp_server": False,
            "run_history": False,
            "max_file_size": MOST_BYTES,
            "show_error": True,
        }
        return self.blocks.launch(**ours | options)

    def _build_header(self, title: str) -> None:
        strip = "".join(f'<i style="background:{colour}"></i>' for colour in palette_of(self.run) if colour)
        num_parameters = sum(weights.numel() for weights in self.run.model.parameters())
        size, kinds = f"{num_parameters / 1e6:.1f} M parameters", name_media(self.run)
        self.gr.HTML(
            f'<header class="pb-header"><h1>{escape(title)}</h1><p>One small model ({size}) that writes {kinds} as '
            f"one stream of {self.run.model.config.vocab_size} kinds of token. Give it a beginning; it goes on.</p>"
            f'<div class="pb-strip" aria-hidden="true">{strip}</div></header>'
        )

    def _build_beginning(self) -> None:
        gr, media = self.gr, self.studio.media
        choices = [(MEDIUM_NAMES[name], name) for name in media]
        self.begin = gr.CheckboxGroup(
            choices, value=list(media[:1]), label="Begin with", info="Nothing chosen: the model dreams up everything."
        )
        is_first = [name == media[0] for name in ("text", "image", "audio")]
        with gr.Group(visible=is_first[0]) as self.sentence_group:
            examples = self.studio.examples()
            self.text = gr.Textbox(
                examples[0] if examples else "", label="Sentence", max_lines=3, max_length=400, elem_id="pb-text"
            )
        with gr.Row(visible=is_first[0], elem_classes="pb-row pb-examples") as self.example_row:
            self.dream = gr.Button("Dream up a sentence", size="sm", min_width=80, elem_id="pb-dream")
            self.examples = [gr.Button(example, size="sm", min_width=80) for example in examples]
        with gr.Group(visible=is_first[1], elem_id="pb-draw") as self.sprite_group:
            self._build_editor()
        with gr.Group(visible=is_first[2], elem_id="pb-hear") as self.cry_group:
            self.sound = gr.Audio(
                sources=["upload", "microphone"],
                type="filepath",
                label="Cry to begin with",
                elem_id="pb-sound",
                buttons=[],
            )
            self.parts["cry_note"] = gr.HTML()
        self.groups = [
            *(("text", self.sentence_group), ("text", self.example_row)),
            *(("image", self.sprite_group), ("audio", self.cry_group)),
        ]

    def _build_editor(self) -> None:
        gr, palette, blank = self.gr, palette_of(self.run), blank_drawing(self.run).to_json()
        background = background_index(self.run)
        inks = "".join(
            f'<button type="button" role="radio" data-ink="{index}" aria-label="{colour or "transparent"}" '
            f'title="{colour or "transparent"}" style="background:{colour or "none"}"></button>'
            for index, colour in enumerate(palette)
        )
        ink = next(index for index, colour in enumerate(palette) if colour is not None and index != background)
        self.parts["drawing"] = gr.HTML(
            blank,
            html_template=read_asset("editor.html").replace("INKS", inks),
            js_on_load=read_asset("editor.js"),
            elem_id="pb-editor",
            palette=palette,
            background=background,
            blank=blank,
            ink=ink,
        )
        self.upload = gr.UploadButton("Upload a picture", size="sm", file_types=["image"], elem_id="pb-upload")
        self.parts["picture_note"] = gr.HTML()
        height = sprite_size(self.run)[0]
        self.finishes = gr.Checkbox(
            label="Let the model finish it",
            info="It keeps the upper rows of the first frame.",
            visible=not draws_at_once(self.run),
        )
        self.rows_kept = gr.Slider(
            1, max(2, height - 1), max(1, height // 2), step=1, label="Rows to keep", visible=False
        )

    def _build_wish(self) -> None:
        gr, media = self.gr, self.studio.media
        self.make = gr.CheckboxGroup(
            [(MEDIUM_NAMES[name], name) for name in media[1:]] or [(MEDIUM_NAMES[media[0]], media[0])],
            value=list(media[1:] or media),
            label="Make",
        )
        if len(media) == 1:
            self.begin.value = []
        with gr.Row(elem_classes="pb-row"):
            self.go = gr.Button("Make it", variant="primary", scale=3, min_width=120, elem_id="pb-go")
            self.halt = gr.Button("Stop", scale=1, min_width=80, elem_id="pb-stop")
        with gr.Accordion("Dials", open=False, elem_id="pb-dials"):
            self.temperature = gr.Slider(
                0, 1.5, DEFAULT_TEMPERATURE, step=0.05, label="Temperature",
                info="0 always takes the likeliest; higher is wilder.",
            )  # fmt: skip
            picture = layout_of(self.run, "image")
            frames = picture.frames if picture is not None else 1
            self.frames = gr.Slider(
                1, max(8, 2 * frames), min(frames, MOST_FRAMES), step=1, label="Frames of the sprite",
                visible=picture is not None,
            )  # fmt: skip
            cry, most = layout_of(self.run, "audio"), longest_cry_seconds(self.run) or 0.0
            self.seconds = gr.Slider(
                0.01, max(0.02, most), min(most, MOST_SECONDS), step=0.01, label="Longest cry in seconds",
                visible=cry is not None and cry.samples is None and most > 0,
            )  # fmt: skip
            with gr.Row(elem_classes="pb-row"):
                self.parts["seed"] = gr.Number(0, label="Seed", precision=0, elem_id="pb-seed")
                self.rolls = gr.Checkbox(True, label="Roll a new seed each time", elem_id="pb-roll")

    def _build_result(self) -> None:
        gr = self.gr
        self.parts["status"] = gr.HTML('<p class="pb-status" role="status">Ready.</p>', elem_id="pb-status")
        self.parts["stage"] = gr.HTML(
            "",
            html_template=read_asset("stage.html"),
            js_on_load=read_asset("stage.js"),
            elem_id="pb-stage",
            palette=palette_of(self.run),
        )
        self.parts["odds"] = gr.HTML(elem_id="pb-odds")
        self.parts["player"] = gr.Audio(label="Cry", interactive=False, visible=False, elem_id="pb-player", buttons=[])
        with gr.Row(elem_classes="pb-row", elem_id="pb-files"):
            for name, label in (("sprite", "Sprite (GIF)"), ("large", "Large (GIF)"), ("cry", "Cry (WAV)")):
                self.parts[name] = gr.DownloadButton(
                    label, size="sm", visible=False, min_width=90, elem_id=f"pb-get-{name}"
                )
        self.parts["record"] = gr.State(None)

    def _wire(self) -> None:
        parts, quick = self.parts, {"api_visibility": "private", "show_progress": "hidden"}
        chosen = [*(group for _, group in self.groups), self.rows_kept, self.make]
        for part in (self.begin, self.finishes):
            part.change(self._choose, [self.begin, self.finishes], chosen, **quick)
        self.dream.click(self.studio.dream, None, [self.text], **quick)
        for button in self.examples:
            button.click(partial(str, button.value), None, [self.text], **quick)
        self.upload.upload(self._bring_picture, [self.upload], [parts["drawing"], parts["picture_note"]], **quick)
        self.sound.change(self._bring_cry, [self.sound], [parts["cry_note"]], **quick)
        make, halt = self._makers()
        self.gr.on(
            [self.go.click, self.text.submit],
            make,
            [
                *(self.begin, self.make, self.text, parts["drawing"], self.sound, self.finishes, self.rows_kept),
                *(self.frames, self.seconds, self.temperature, parts["seed"], self.rolls),
            ],
            [parts[name] for name in PARTS],
            show_progress="minimal",
            show_progress_on=[parts["status"]],
            concurrency_limit=SHOWN_AT_ONCE,
            trigger_mode="once",
            api_visibility="private",
        )
        # not gradio's own way to cancel, which may drop the last word: the maker itself ends, and says so
        self.halt.click(halt, None, None, queue=False, **quick)
        parts["stage"].pixel(self._looker(), [parts["record"]], [parts["odds"]], concurrency_limit=AT_ONCE, **quick)

    def _choose(self, begin: list[str], finishes: bool) -> list[Any]:
        """Show what belongs to the beginning chosen; what is left can be made."""
        rest = [name for name in self.studio.media if name not in begin or (name == "image" and finishes)]
        groups = [self.gr.update(visible=name in begin) for name, _ in self.groups]
        info = "" if rest else "Everything is given: untick something above, and it can be made."
        choices = [(MEDIUM_NAMES[name], name) for name in rest]
        return [*groups, self.gr.update(visible=finishes), self.gr.update(choices=choices, value=rest, info=info)]

    def _bring_picture(self, path: str) -> Any:
        return self._update(self.studio.bring_picture(path))

    def _bring_cry(self, path: str | None) -> Any:
        return self._update(self.studio.bring_cry(path))

    def _makers(self) -> tuple[Any, Any]:
        """Return the handlers that make and stop; gradio hands the visitor's session to what its annotation names."""
        from gradio import Request

        names = ("begin", "make", "text", "drawing", "cry", "finishes", "rows_kept", "num_frames", "seconds")

        def make(request: Request, *values: Any) -> Iterator[Any]:
            *given, temperature, seed, rolls = values
            stop = self._stops[request.session_hash] = Event()
            try:
                wish = dict(zip(names, given, strict=True))
                seed = None if rolls else seed
                for shown in self.studio.make(**wish, temperature=temperature, seed=seed, stop=stop):
                    yield self._update(shown)
            finally:
                self._stops.pop(request.session_hash, None)

        def halt(request: Request) -> None:
            if stop := self._stops.get(request.session_hash):
                stop.set()

        return make, halt

    def _looker(self) -> Any:
        """Return the handler of a click on a pixel; gradio hands the event to what its annotation names."""
        from gradio import EventData

        def look(record: Any, event: EventData) -> Any:
            place = {name: int(getattr(event, name)) for name in ("frame", "row", "column")}
            return self._update(self.studio.look(record, **place))

        return look

    def _update(self, shown: Shown) -> dict[Any, Any]:
        """Return what to show as gradio takes it, by component; what would be a file without one is hidden."""
        return {
            self.parts[name]: self.gr.update(value=value, visible=value is not None) if name in FILES else value
            for name, value in shown.items()
        }


def open_page(run_folder: str | Path, *, title: str = TITLE, **options: Any) -> DemoPage:
    """Load a run, serve its page, and return it when it ends.

    Args:
        run_folder: That `train` made.
        title: Shown on top.
        options: Of gradio's `launch`.
    """
    page = DemoPage(Run.load(run_folder), title=title)
    page.launch(**options)
    return page
