"""The page as it is served: to whom, how much of what, and what it says when something goes wrong."""

import contextlib
import http.client
import json
import socket
import urllib.error
import urllib.request
from threading import Event, Lock

import pytest

from pixelbytes_hf.cli.main import _parser
from pixelbytes_hf.demo.inputs import VisitorError
from pixelbytes_hf.demo.limits import (
    MAX_GENERATING,
    MAX_QUEUED_REQUESTS,
    MAX_SESSIONS,
    MAX_STREAMING,
    UPLOAD_LIMITS,
)
from pixelbytes_hf.generation.layout import Layout
from pixelbytes_hf.runs.run_folder import Run

gradio = pytest.importorskip("gradio", reason="the page needs gradio")
# of gradio's own threads: what pandas deprecates, and the sockets with which it looks for a free port
pytestmark = [pytest.mark.filterwarnings(f"ignore::{name}") for name in ("DeprecationWarning", "ResourceWarning")]


@pytest.fixture(scope="module")
def page(run):
    """Return a page that is served as `open_page` serves it."""
    from pixelbytes_hf.demo.page import DemoPage

    page = DemoPage(run)
    page.launch(prevent_thread_lock=True, quiet=True)
    yield page
    page.blocks.close()


def request(page, path="", data=None, **headers):
    """Return the status and the text of an answer."""
    asked = urllib.request.Request(page.blocks.local_url + path, data, {"Content-Type": "application/json"} | headers)
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def number_of(page, handler):
    """Return gradio's number of the event that a method of the page handles."""
    [number] = [number for number, event in page.blocks.fns.items() if event.name == handler]
    return number


def join(page, handler, data, visitor):
    body = {"data": data, "fn_index": number_of(page, handler), "session_hash": visitor, "event_data": None}
    return request(page, "gradio_api/queue/join", json.dumps(body).encode())


def ask(page, handler, data, visitor="somebody"):
    """Return the last message of an event of a visitor."""
    assert join(page, handler, data, visitor)[0] == 200
    _, messages = request(page, f"gradio_api/queue/data?session_hash={visitor}")
    return next(line for line in messages.splitlines() if "process_completed" in line)


def upload(page, name, content):
    boundary = "0123456789"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return request(page, "gradio_api/upload", body, **kind)


def test_the_page_is_served_to_this_machine_alone(page):
    port = page.blocks.server_port
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):  # as it is on every address of the machine but one
        socket.create_connection(("127.0.0.2", port), timeout=5)
    assert _parser().parse_args(["demo", "run"]).host == "127.0.0.1"


@pytest.mark.parametrize("path", ["", "config", "gradio_api/queue/join"])
def test_requests_for_another_host_are_refused(page, path):
    assert request(page, path, Host="evil.example")[0] == 400
    assert request(page, path, Host="127.0.0.1.evil.example:80")[0] == 400
    assert request(page, path, Host=f"localhost:{page.blocks.server_port}")[0] != 400


@pytest.mark.parametrize("options", [{"server_name": "127.0.0.3"}, {}], ids=["as an option", "as a Space does"])
def test_a_host_that_is_asked_for_is_served(run, monkeypatch, options):
    from pixelbytes_hf.demo import page as module

    if not options:
        monkeypatch.setattr(module, "LOCALHOST_NAME", "0.0.0.0")  # from GRADIO_SERVER_NAME
    page = module.DemoPage(run)
    page.launch(prevent_thread_lock=True, quiet=True, **options)
    assert request(page, Host="demo.example")[0] == 200
    page.blocks.close()


@pytest.mark.parametrize("name", ["::1", "[::1]"])
def test_the_loopback_address_of_ipv6_refuses_other_hosts_too(run, name):
    from pixelbytes_hf.demo import page as module

    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    page = module.DemoPage(run)
    page.launch(prevent_thread_lock=True, quiet=True, server_name=name)
    address = page.blocks.local_url
    assert address.startswith("http://[::1]:")
    for host, is_refused in ((f"[::1]:{page.blocks.server_port}", False), ("evil.example", True)):
        with contextlib.closing(http.client.HTTPConnection("::1", page.blocks.server_port, timeout=30)) as connection:
            connection.request("GET", "/", headers={"Host": host})
            assert (connection.getresponse().status == 400) == is_refused
    page.blocks.close()


def test_large_files_are_refused(page):
    most = UPLOAD_LIMITS.max_file_bytes
    assert most <= 2**24
    assert upload(page, "a.png", bytes(most))[0] == 200
    assert upload(page, "a.png", bytes(most + 1))[0] == 413


def test_visitors_wait_in_a_queue_of_bounded_length(page, monkeypatch):
    running, end = [], Event()

    def generate(**inputs):
        running.append(inputs)
        end.wait(60)
        yield {"status": "Done"}

    monkeypatch.setattr(page.session, "generate", generate)
    inputs = [component.value for component in page.inputs.values()]
    answers = [join(page, "_generate", inputs, f"visitor {n}") for n in range(MAX_QUEUED_REQUESTS + MAX_STREAMING + 5)]
    codes = [code for code, _ in answers]
    end.set()
    assert MAX_QUEUED_REQUESTS <= codes.count(200) <= MAX_QUEUED_REQUESTS + MAX_STREAMING and set(codes) == {200, 503}
    assert "Queue is full" in answers[codes.index(503)][1]
    assert len(running) <= MAX_STREAMING <= 20 and MAX_QUEUED_REQUESTS <= 100
    body = json.dumps({"data": inputs, "fn_index": number_of(page, "_generate")}).encode()
    assert request(page, "gradio_api/run/predict", body)[0] == 404  # which would not wait in the queue


def test_the_model_works_on_few_requests_at_once(run, monkeypatch):
    from pixelbytes_hf.demo.session import Session

    lock, end, running = Lock(), Event(), []

    def generate(**options):
        with lock:
            running.append(options)
        end.wait(60)
        raise RuntimeError("enough")

    session = Session(run)
    monkeypatch.setattr(run.model, "generate", generate)
    streams = [session.generate(begin=[], make=["image"]) for _ in range(MAX_GENERATING + 3)]
    for stream in streams:
        next(stream), next(stream)
    assert len(running) <= MAX_GENERATING <= 4
    end.set()
    for stream in streams:
        stream.close()


def test_visits_kept_in_memory_are_bounded(page):
    visits = page.blocks.state_holder
    for number in range(MAX_SESSIONS + 20):
        visits[f"visit {number}"]  # begins it
    assert len(visits.session_data) <= MAX_SESSIONS <= 1000


def test_errors_for_visitors_are_shown_and_no_others(page, monkeypatch):
    def fail(error):
        def generate(**inputs):
            raise error
            yield

        monkeypatch.setattr(page.session, "generate", generate)
        return ask(page, "_generate", [component.value for component in page.inputs.values()])

    assert "no &lt;b&gt; here" in fail(VisitorError("no <b> here"))
    message = fail(FileNotFoundError("no file at '/home/somebody/x'"))
    assert json.loads(message.removeprefix("data: "))["success"] is False
    assert "/home" not in message and "FileNotFound" not in message


@pytest.mark.parametrize("path", ["/etc/hostname", "/tmp/gradio/never/was.wav"])
def test_errors_show_no_paths(page, path):
    data = [{"path": path, "meta": {"_type": "gradio.FileData"}}]
    message = ask(page, "_read_sound", data)
    assert '"success":false' in message.replace(" ", "") and path not in message


def test_numbers_out_of_range_are_refused(page):
    for name, value in (("seed", -1), ("seed", 2**31), ("temperature", 9), ("num_frames", 999), ("rows_kept", 0)):
        with pytest.raises(gradio.Error, match=f"{value} is"):
            page.inputs[name].preprocess(value)


def test_pages_of_other_media_are_built_and_call_nobody(run, monkeypatch):
    from pixelbytes_hf.demo.page import DemoPage

    calls = []
    for name in ("version_check", "initiated_analytics", "launched_analytics", "_do_analytics_request"):
        monkeypatch.setattr(gradio.analytics, name, lambda *arguments, name=name: calls.append(name))
    for segments in (run.layout.segments[2:], run.layout.segments[:1], run.layout.segments[1:]):
        page = DemoPage(Run(run.model, run.tokenizer, Layout(segments)))
        assert page.session.media == [segment.modality for segment in segments]
    page.launch(prevent_thread_lock=True, quiet=True)
    code, content = request(page)
    page.blocks.close()
    assert code == 200 and calls == [] and "fonts.googleapis" not in content and "cdnjs" not in content
