"""The demo page in Gradio: its components, their events, and how it is served.

It loads nothing from elsewhere: system fonts, own scripts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from threading import Event
from typing import Any
from weakref import WeakValueDictionary

import gradio as gr
from gradio.http_server import LOCALHOST_NAME
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from ..runs.kinds import kind_of_run
from ..runs.run_folder import Run
from .inputs import VisitorError, longest_cry_seconds, read_cry, read_picture, sprite_size
from .limits import (
    MAX_FILE_AGE_SECONDS,
    MAX_GENERATING,
    MAX_QUEUED_REQUESTS,
    MAX_SENTENCE_LENGTH,
    MAX_SESSIONS,
    MAX_STREAMING,
    UPLOAD_LIMITS,
)
from .session import FinishedRecord, Session
from .streaming import MAX_SEED
from .views import ASSETS, MEDIUM_NAMES, editor_view, header_view, palette_of, read_asset

DEFAULT_FRAMES, DEFAULT_SECONDS = 8, 0.5  # at most, unless a visitor asks for more
TITLE = "PixelBytes"
LOOPBACK_NAMES = ["127.0.0.1", "localhost", "[::1]"]
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


class DemoPage:
    """A page on which a run makes sprites, cries and sentences.

    Args:
        run: The run.
        title: Shown on top.
    """

    def __init__(self, run: Run, *, title: str = TITLE) -> None:
        self.run, self.session = run, Session(run)
        self.inputs: dict[str, Any] = {}  # by parameter of `Session.generate`
        self.outputs: dict[str, Any] = {}  # by key of what it yields
        self.stops: WeakValueDictionary[str | None, Event] = WeakValueDictionary()  # of visits with a generation
        files_kept = (MAX_FILE_AGE_SECONDS,) * 2  # how often it is looked, and how old they may be
        with gr.Blocks(title=title, analytics_enabled=False, delete_cache=files_kept) as self.blocks:
            _html("header", title=title, **header_view(run))
            with gr.Row(elem_id="pb-main"):
                with gr.Column(scale=5, min_width=320):
                    self._build_prompt()
                    self._build_settings()
                with gr.Column(scale=6, min_width=320, elem_id="pb-result"):
                    self._build_result()
            self._connect()
        self.blocks.queue(api_open=False, max_size=MAX_QUEUED_REQUESTS, default_concurrency_limit=MAX_GENERATING)

    def launch(self, **options: Any) -> Any:
        """Serve the page; `options` are gradio's, and win over ours.

        At a loopback address, requests that name another host are refused: a page elsewhere could send them from the
        visitor's own browser (DNS rebinding).
        """
        name = options.get("server_name") or LOCALHOST_NAME
        if ":" in name.strip("[]"):  # gradio takes an address of IPv6 as it stands in a URL
            name = options["server_name"] = f"[{name.strip('[]')}]"
        is_local = name in LOOPBACK_NAMES and not options.get("share")
        hosts = LOOPBACK_NAMES if is_local else ["*"]
        fonts: dict[str, Any] = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
        theme = gr.themes.Base(primary_hue="red", neutral_hue="slate", radius_size="sm", **fonts)
        ours = {
            "app_kwargs": {"middleware": [Middleware(TrustedHostMiddleware, allowed_hosts=hosts)]},
            "css_paths": ASSETS / "page.css",
            "footer_links": [],
            "max_file_size": UPLOAD_LIMITS.max_file_bytes,
            "run_history": False,
            "share": False,
            "ssr_mode": False,
            "state_session_capacity": MAX_SESSIONS,
            "theme": theme,
        }
        return self.blocks.launch(**ours | options)

    def _build_prompt(self) -> None:
        media = self.session.media
        first = media[: len(media) > 1]  # of a run of one medium, there is nothing to begin from
        choices, info = _choices(media), "Nothing chosen: the model makes up everything."
        self.inputs["begin"] = gr.CheckboxGroup(choices, value=first, label="Begin with", info=info)
        self.groups = {name: gr.Column(visible=name in first, elem_id=f"pb-{name}") for name in MEDIUM_NAMES}
        with self.groups["text"]:
            self._build_sentence()
        with self.groups["image"], gr.Group(elem_id="pb-draw"):
            self._build_editor()
        with self.groups["audio"]:
            self.inputs["sound"] = gr.Audio(
                sources=["upload", "microphone"], type="filepath", label="Cry to begin with", buttons=[]
            )
            self.sound_note = _html("status")

    def _build_sentence(self) -> None:
        examples = self.session.examples()
        self.inputs["text"] = gr.Textbox(
            examples[0] if examples else "", label="Sentence", max_lines=3, max_length=MAX_SENTENCE_LENGTH
        )
        self.another = gr.Button("Make up a sentence", size="sm")
        if examples:
            gr.Examples([[text] for text in examples], self.inputs["text"], api_visibility="private")

    def _build_editor(self) -> None:
        view, height = editor_view(self.run), sprite_size(self.run)[0]
        self.inputs["drawing"] = _html("editor", view["blank"], elem_id="pb-editor", **view)
        self.upload = gr.UploadButton("Upload a picture", size="sm", file_types=["image"], elem_id="pb-upload")
        self.picture_note = _html("status")
        can, info = self.run.model.objective.decoding != "parallel", "It keeps the upper rows of the first frame."
        self.inputs["continues"] = gr.Checkbox(label="Let the model finish it", info=info, visible=can)
        self.inputs["rows_kept"] = gr.Slider(
            1, max(2, height - 1), max(1, height // 2), step=1, precision=0, label="Rows to keep", visible=False
        )

    def _build_settings(self) -> None:
        media = self.session.media
        rest = media[len(media) > 1 :]
        self.inputs["make"] = gr.CheckboxGroup(_choices(rest), value=rest, label="Make")
        with gr.Row():
            self.start = gr.Button("Make it", variant="primary", scale=3, min_width=120, elem_id="pb-go")
            self.stop = gr.Button("Stop", scale=1, min_width=80, elem_id="pb-stop")
        picture, sound = self.session.segments.get("image"), self.session.segments.get("audio")
        frames, most = picture.frames if picture else 1, longest_cry_seconds(self.run) or 0.0
        with gr.Accordion("Settings", open=False):
            self.inputs["temperature"] = gr.Slider(
                0, 1.5, 0.4, step=0.05, label="Temperature", info="0 always takes the likeliest; higher is wilder."
            )
            self.inputs["num_frames"] = gr.Slider(
                1, max(8, 2 * frames), min(frames, DEFAULT_FRAMES), step=1, precision=0, label="Frames of the sprite",
                visible=picture is not None,
            )  # fmt: skip
            self.inputs["seconds"] = gr.Slider(
                0.01, max(0.02, most), min(most, DEFAULT_SECONDS), step=0.01, label="Longest cry in seconds",
                visible=sound is not None and sound.samples is None and most > 0,
            )  # fmt: skip
            with gr.Row():
                self.inputs["seed"] = gr.Number(
                    0, label="Seed", precision=0, minimum=0, maximum=MAX_SEED, elem_id="pb-seed"
                )
                self.inputs["new_seed"] = gr.Checkbox(True, label="A new seed each time")
        self.outputs["seed"] = self.inputs["seed"]

    def _build_result(self) -> None:
        self.outputs |= {
            "status": _html("status", "Ready.", elem_id="pb-status"),
            "stage": _html("stage", elem_id="pb-stage", palette=palette_of(self.run)),
            "colours": _html("colours"),
            "player": gr.Audio(label="Cry", interactive=False, visible=False, elem_id="pb-player", buttons=[]),
            "files": gr.File(label="Files", interactive=False, visible=False, elem_id="pb-files"),
            "record": gr.State(),
        }

    def _connect(self) -> None:
        inputs, outputs = self.inputs, self.outputs
        choice = [inputs["begin"], inputs["continues"]]
        shown = [*self.groups.values(), inputs["rows_kept"], inputs["make"]]
        gr.on([part.change for part in choice], self._choose, choice, shown, **QUIET)
        self.another.click(self.session.write_sentence, None, inputs["text"], **QUIET)
        self.upload.upload(self._read_picture, self.upload, [inputs["drawing"], self.picture_note], **QUIET)
        inputs["sound"].change(self._read_sound, inputs["sound"], self.sound_note, **QUIET)
        begin = [self.start.click, inputs["text"].submit]
        bounds = {"concurrency_limit": MAX_STREAMING, "trigger_mode": "once", "api_visibility": "private"}
        progress = {"show_progress": "minimal", "show_progress_on": outputs["status"]}
        gr.on(begin, self._generate, inputs_kwargs=inputs, outputs=[*outputs.values()], **bounds, **progress)
        # not gradio's own way to cancel, which may drop what is shown last: the generation ends, and says so
        self.stop.click(self._stop, None, None, queue=False, **QUIET)
        outputs["stage"].pixel(self._look_up, outputs["record"], outputs["colours"], **QUIET)

    def _choose(self, begin: list[str], continues: bool) -> list[Any]:
        """Show what belongs to the beginning chosen; what is left can be made."""
        rest = [name for name in self.session.media if name not in begin or (name == "image" and continues)]
        groups = [gr.update(visible=name in begin) for name in self.groups]
        info = "" if rest else "Everything is given: untick something above, and it can be made."
        return [*groups, gr.update(visible=continues), gr.update(choices=_choices(rest), value=rest, info=info)]

    def _read_picture(self, path: str) -> tuple[str, str]:
        with _errors_shown():
            return read_picture(path, self.run)

    def _read_sound(self, path: str | None) -> str:
        with _errors_shown():
            return read_cry(path, self.run).note if path else ""

    def _generate(self, request: gr.Request, **inputs: Any) -> Iterator[dict[Any, Any]]:
        stop = self.stops[request.session_hash] = Event()
        with _errors_shown():
            for shown in self.session.generate(stop=stop, **inputs):
                for name in {"player", "files"} & shown.keys():
                    shown[name] = gr.update(value=shown[name], visible=bool(shown[name]))
                yield {self.outputs[name]: value for name, value in shown.items()}

    def _stop(self, request: gr.Request) -> None:
        if stop := self.stops.get(request.session_hash):
            stop.set()

    def _look_up(self, record: FinishedRecord | None, event: gr.EventData) -> dict[str, Any]:
        with _errors_shown():
            return self.session.look_up(record, frame=event.frame, row=event.row, column=event.column)


def _html(name: str, value: str | None = None, **facts: Any) -> gr.HTML:
    """Return the component of an asset: its template, its script if it has one, and the facts in both."""
    if (ASSETS / f"{name}.js").is_file():
        facts["js_on_load"] = read_asset(f"{name}.js")
    return gr.HTML(value, html_template=read_asset(f"{name}.html"), **facts)


def _choices(media: list[str]) -> list[tuple[str, str]]:
    return [(MEDIUM_NAMES[name], name) for name in media]


@contextmanager
def _errors_shown() -> Iterator[None]:
    """Show visitors the errors that are meant for them; of others they see only that there was one."""
    try:
        yield
    except VisitorError as error:
        raise gr.Error(escape(str(error)), print_exception=False) from error


def open_page(run_folder: str | Path, *, title: str = TITLE, **options: Any) -> Any:
    """Load a run, serve the page of its kind, and return it when it ends.

    Args:
        run_folder: That `train` made.
        title: Shown on top.
        options: Of gradio's `launch`.
    """
    return kind_of_run(run_folder).verb("demo")(run_folder, title=title, **options)


def open_sequence_page(run_folder: str | Path, *, title: str, **options: Any) -> DemoPage:
    """Serve the page of a sequence model; see `open_page`."""
    page = DemoPage(Run.load(run_folder), title=title)
    page.launch(**options)
    return page
