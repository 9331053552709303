"""The demo page in Chromium: what a visitor sees, clicks, hears, downloads, and is refused.

One server and one browser for all; every test is a visitor of its own. Skipped where there is no Chromium.
"""

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest

from pixelbytes_hf.media.gif_writer import write_gif
from pixelbytes_hf.media.pictures import read_frames
from pixelbytes_hf.media.sounds import read_sound
from pixelbytes_hf.runs.run_folder import Run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SENTENCE = "a small red leaf beast."
PATIENCE_MS = 30_000

pytest.importorskip("gradio", reason="the page needs gradio")
playwright = pytest.importorskip("playwright.sync_api", reason="driving a browser needs playwright")
if CHROMIUM is None:
    pytest.skip("there is no Chromium on this machine", allow_module_level=True)


@pytest.fixture(scope="module")
def address(run_folder, tmp_path_factory):
    """Serve the page in a process of its own, as the command does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GRADIO_TEMP_DIR": str(folder / "files")}
    command = [sys.executable, "-m", "pixelbytes_hf.cli", "demo", str(run_folder), "--port", str(port)]
    with (folder / "log").open("w") as log:
        # a shell lets what it starts in the background ignore interrupts, and so all that these tests start
        heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, **heed)
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(address, timeout=2).close()
            break
        except OSError:
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.5)
    yield address
    server.send_signal(signal.SIGINT)
    server.wait(20)
    assert "Traceback" not in (folder / "log").read_text().partition("KeyboardInterrupt")[0]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, address):
    """Return a function that opens the page as a new visitor; nothing may be asked of another host."""
    contexts, hosts = [], set()

    def open_page(viewport=DESKTOP, **options):
        contexts.append(browser.new_context(viewport=viewport, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: hosts.add(re.sub(r"^(\w+:(//[^/]*)?).*$", r"\1", request.url[:200])))
        page.goto(address)
        page.locator("#pb-stage .pb-empty").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert hosts <= {address, "data:", f"blob:{address}", "blob:"}


def wait_for_status(page, beginning):
    page.wait_for_function(
        "beginning => document.querySelector('#pb-status').innerText.startsWith(beginning)", arg=beginning
    )
    return page.inner_text("#pb-status")


def set_seed(page, seed):
    page.get_by_text("Settings").click()
    page.get_by_label("A new seed each time").uncheck()
    field = page.locator("#pb-seed input")
    field.fill(str(seed))
    field.press("Tab")


def download(page, name):
    with page.expect_download() as waiting:
        page.click(f"#pb-files a[download='{name}']")
    with open(waiting.value.path(), "rb") as file:
        return waiting.value.suggested_filename, file.read()


def expected(run_folder, text, seed):
    run = Run.load(run_folder)
    return run.create(text=[text], do_sample=True, temperature=0.4, seed=seed)[0]


def test_a_sentence_becomes_a_creature_to_see_hear_and_keep(visit, run_folder):
    page = visit()
    page.fill("#pb-text textarea", SENTENCE)
    set_seed(page, 7)
    page.click("#pb-go")
    wait_for_status(page, "Drawing frame 1")
    # rows that are not there yet are transparent
    painted = """() => {
        const canvas = document.querySelector('#pb-stage .pb-sprite');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        return Array.from({length: canvas.height}, (_, row) => data[(row * canvas.width) * 4 + 3]);
    }"""
    rows = page.evaluate(painted)
    assert rows == sorted(rows, reverse=True) and rows[0] == 255
    assert "seed 7" in wait_for_status(page, "Done")
    record = expected(run_folder, SENTENCE, 7)
    assert page.inner_text("#pb-stage .pb-sentence") == SENTENCE
    assert page.locator("#pb-stage .pb-frames button:not([disabled])").count() == 4
    style = (
        "element => [getComputedStyle(element).imageRendering, element.width, element.getBoundingClientRect().width]"
    )
    rendering, width, shown_width = page.locator("#pb-stage .pb-sprite").evaluate(style)
    assert (rendering, width) == ("pixelated", 12) and shown_width >= 300
    name, content = download(page, "creature.gif")
    assert name == "creature.gif"
    np.testing.assert_array_equal(read_frames(content).array[..., :3], record.frames)
    assert read_frames(download(page, "creature_large.gif")[1]).array.shape == (4, 96, 96, 4)
    name, content = download(page, "cry.wav")
    sound = read_sound(io.BytesIO(content))
    assert name == "cry.wav" and (sound.sampling_rate_hz, sound.array.shape) == (8000, (800, 2))
    page.evaluate("""() => { window.played = 0; const play = HTMLMediaElement.prototype.play;
        HTMLMediaElement.prototype.play = function () {
            this.addEventListener('ended', () => { window.played += this.currentTime; });
            return play.call(this);
        }; }""")
    page.locator("#pb-player").get_by_label("Play", exact=True).click()
    page.wait_for_function("window.played > 0.09")


def test_pixels_tell_what_else_they_could_have_been(visit):
    page = visit()
    page.click("#pb-go")
    wait_for_status(page, "Done")
    sprite = page.locator("#pb-stage .pb-sprite")
    page.locator("#pb-stage .pb-frames button").nth(2).click()
    box = sprite.bounding_box()
    sprite.click(position={"x": box["width"] * 5.5 / 12, "y": box["height"] * 9.5 / 12})
    page.get_by_role("heading", name="Frame 3, row 10, column 6").wait_for()
    assert page.locator(".pb-odds li").count() == 5
    assert page.locator(".pb-swatches i").count() == 55
    assert "The model drew" in page.inner_text(".pb-odds")
    sprite.press("ArrowLeft")
    sprite.press("ArrowUp")
    sprite.press("Enter")
    page.get_by_role("heading", name="Frame 3, row 9, column 5").wait_for()


def test_bad_files_are_refused_in_words(visit, tmp_path):
    page = visit()
    page.get_by_label("Sprite", exact=True).first.check()
    with page.expect_file_chooser() as chooser:
        page.click("#pb-upload")
    (tmp_path / "notes.png").write_text("this is no picture")
    chooser.value.set_files(tmp_path / "notes.png")
    page.get_by_text("notes.png is not a picture that can be read: try a PNG, GIF").wait_for()
    page.get_by_label("Cry", exact=True).first.check()
    (tmp_path / "notes.wav").write_text("this is no sound")
    page.locator("#pb-audio input[type=file]").set_input_files(tmp_path / "notes.wav")
    page.get_by_text("notes.wav is not a sound that can be read: try a WAV, FLAC").wait_for()
    page.fill("#pb-text textarea", "   ")
    page.get_by_label("Sprite", exact=True).first.uncheck()
    page.get_by_label("Cry", exact=True).first.uncheck()
    page.click("#pb-go")
    page.get_by_text("the sentence is empty").wait_for()
    width = "document.querySelector('.gradio-container').getBoundingClientRect().width"
    before = page.evaluate(width)
    page.get_by_label("Sentence", exact=True).first.uncheck()
    page.locator("#pb-text").wait_for(state="hidden")
    assert page.evaluate(width) == before  # the page does not jump when there is little on it


def test_a_sprite_is_uploaded_drawn_on_and_finished(visit, tmp_path):
    page = visit()
    page.get_by_label("Sprite", exact=True).first.check()
    write_gif(np.full((4, 12, 12, 3), (0, 168, 0), np.uint8), tmp_path / "green.gif", scale=4)
    with page.expect_file_chooser() as chooser:
        page.click("#pb-upload")
    chooser.value.set_files(tmp_path / "green.gif")
    page.get_by_text("green.gif: 4 frames of 48 x 48, read as 4 frames of 12 x 12, in 1 of the model's").wait_for()
    board = page.locator("#pb-editor .pb-drawing")
    page.get_by_role("radio", name="#D800CC").click()
    box = board.bounding_box()
    board.click(position={"x": box["width"] * 3.5 / 12, "y": box["height"] * 0.5 / 12})
    page.get_by_role("radio", name="#D800CC").press("ArrowRight")
    board.press("ArrowRight")  # from the pixel just drawn
    board.press("Enter")
    page.get_by_label("Let the model finish it").check()
    page.get_by_text("Rows to keep").first.wait_for()
    page.click("#pb-go")
    wait_for_status(page, "Done")
    frames = read_frames(download(page, "creature.gif")[1]).array[..., :3]
    assert frames[0, 0, 2].tolist() == [0, 168, 0]
    assert frames[0, 0, 3].tolist() == [0xD8, 0x00, 0xCC]
    assert frames[0, 0, 4].tolist() == [0x94, 0x00, 0x84]
    assert (frames[0, 1:6] == (0, 168, 0)).all() and not (frames[0, 6:] == (0, 168, 0)).all()


def test_two_visitors_at_once_get_their_own(visit, run_folder):
    requests = [("a small red leaf beast.", 11), ("a large blue fire critter.", 12)]
    pages = [visit(), visit()]
    for page, (text, seed) in zip(pages, requests, strict=True):
        page.fill("#pb-text textarea", text)
        set_seed(page, seed)
    for page in pages:
        page.click("#pb-go")
    busy = "document.querySelector('#pb-stage .pb-stage').classList.contains('pb-busy')"
    for page in pages:
        page.wait_for_function(busy)
    assert pages[0].evaluate(busy)  # still, as the second is already served
    for page, (text, seed) in zip(pages, requests, strict=True):
        assert f"seed {seed}" in wait_for_status(page, "Done")
        assert page.inner_text("#pb-stage .pb-sentence") == text
    for page, (text, seed) in zip(pages, requests, strict=True):
        frames = read_frames(download(page, "creature.gif")[1]).array[..., :3]
        np.testing.assert_array_equal(frames, expected(run_folder, text, seed).frames)


def test_a_phone_and_a_keyboard_are_enough(visit):
    page = visit(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.get_by_label("Sprite", exact=True).first.check()
    page.locator("#pb-editor .pb-drawing").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.get_by_label("Sprite", exact=True).first.press(" ")
    page.locator("#pb-editor .pb-drawing").wait_for(state="hidden")  # a page that changes loses its focus
    page.locator("#pb-text textarea").focus()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "pb-go":
            break
    page.locator("#pb-go:focus").wait_for()
    page.keyboard.press("Enter")
    wait_for_status(page, "Done")
    page.locator("#pb-stage .pb-hint").wait_for()  # the stage is told in a step of its own
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "pb-sprite":
            break
    page.locator("#pb-stage .pb-sprite:focus").wait_for()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=re.compile("row 1, column 1$")).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_a_generation_can_be_stopped_and_started_again(visit):
    page = visit()
    page.locator("#pb-text textarea").press("Enter")
    wait_for_status(page, "Drawing")
    page.click("#pb-stop")
    wait_for_status(page, "Stopped")
    time.sleep(0.5)
    assert page.inner_text("#pb-status") == "Stopped."
    assert page.locator("#pb-stage .pb-hint").is_hidden()
    page.locator("#pb-stage .pb-sprite").click()
    page.get_by_text("this sprite was not finished").wait_for()
    page.click("#pb-go")
    wait_for_status(page, "Done")
