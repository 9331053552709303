"""A small PokeAPI of made-up species, on disk and behind a host that misbehaves on request."""

import hashlib
import io
import json
import shutil
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from dataset_builder.creatures import ATTRIBUTES, CRY_RATE_HZ, cry, draw
from dataset_builder.pokemon import CRY_FOLDER, CSV_FOLDER, SPRITE_FOLDER
from pixelbytes_hf.media.gif_writer import write_gif
from pixelbytes_hf.media.sounds import Sound, write_sound

NUM_SPECIES = 12
TABLES = {
    "pokemon_species": ["id,identifier,generation_id,evolution_chain_id"],
    "pokemon_species_names": ["pokemon_species_id,local_language_id,name"],
    "pokemon_species_flavor_text": ["species_id,version_id,language_id,flavor_text"],
    "pokemon_types": ["pokemon_id,type_id,slot"],
    "types": ["id,identifier", "1,fire", "2,water"],
}


@pytest.fixture
def pokeapi(made_up_species, tmp_path) -> Path:
    """Return a local copy of twelve species in six evolution chains, which a test may change."""
    return Path(shutil.copytree(made_up_species, tmp_path / "pokeapi-copy"))


@pytest.fixture(scope="session")
def made_up_species(tmp_path_factory) -> Path:
    """Return the folder that `pokeapi` copies."""
    folder = tmp_path_factory.mktemp("pokeapi")
    tables = {name: list(rows) for name, rows in TABLES.items()}
    for number in range(1, NUM_SPECIES + 1):
        tables["pokemon_species"].append(f"{number},species-{number},{1 + number // 7},{100 + (number - 1) // 2}")
        tables["pokemon_species_names"] += [f"{number},1,日本語", f"{number},9,Species {number}"]
        tables["pokemon_species_flavor_text"] += [
            f'{number},5,9,"An old text."',
            f'{number},33,9,"It likes sun\u00ad\nlight.\fNumber {number}."',
            f'{number},33,5,"Un texte."',
        ]
        tables["pokemon_types"] += [f"{number},2,2", f"{number},1,1"]
        attributes = {name: values[number % len(values)] for name, values in ATTRIBUTES.items()}
        gif, ogg = io.BytesIO(), io.BytesIO()
        write_gif(draw(attributes, number), gif, durations_ms=(10, 20, 30, 40))
        sound = Sound(cry(attributes, number)[:1].T, CRY_RATE_HZ)
        write_sound(sound, ogg, file_format="OGG", subtype="VORBIS")
        write_file(folder / "sprites" / SPRITE_FOLDER / f"{number}.gif", gif.getvalue())
        write_file(folder / "cries" / CRY_FOLDER / f"{number}.ogg", ogg.getvalue())
    for name, rows in tables.items():
        write_file(folder / "pokeapi" / CSV_FOLDER / f"{name}.csv", ("\n".join(rows) + "\n").encode())
    return folder


def write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def git_hash(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Host:
    """A host on the loopback that serves ``/<repository>/<revision>/<path>`` and fails as told.

    `faults` maps the end of a path to what happens at each request for it, one after the other: a status, a body in
    place of the file, "cut" for a body that is shorter than announced, or "drip" for one that comes byte by byte.
    """

    def __init__(self, folder: Path) -> None:
        self.faults: defaultdict[str, list[int | str | bytes]] = defaultdict(list)
        self.requests: list[str] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                host.requests.append(self.path)
                pending = next((found for end, found in host.faults.items() if self.path.endswith(end) and found), [])
                fault = pending.pop(0) if pending else None
                body = fault if isinstance(fault, bytes) else host.find(self.path)
                status = fault if isinstance(fault, int) else 404 if body is None else 200
                body = body if status == 200 else b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                for part in [body[n : n + 1] for n in range(len(body))] if fault == "drip" else [body]:
                    self.wfile.write(part[: len(part) // 2] if fault == "cut" else part)
                    time.sleep(0.05 * (fault == "drip"))

            def log_message(self, *arguments):
                """Keep quiet."""

        self.folder = folder
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.005,), daemon=True)
        self.thread.start()

    def find(self, path: str) -> bytes | None:
        """Return the file of a path, or the listing of a folder's git hashes as GitHub gives it, or None."""
        repository, _, place = path.lstrip("/").split("/", 2)
        if place.startswith("trees/"):
            files = sorted((self.folder / repository / place.partition(":")[2]).iterdir())
            return json.dumps({"tree": [{"path": file.name, "sha": git_hash(file)} for file in files]}).encode()
        file = self.folder / repository / place
        return file.read_bytes() if file.is_file() else None

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def host(pokeapi, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    host = Host(pokeapi)
    yield host
    host.stop()


@pytest.fixture(scope="session")
def parity_builder() -> dict[str, np.ndarray]:
    """Return what the paper's code made of synthetic inputs."""
    with np.load(Path(__file__).parents[1] / "reference" / "parity_builder.npz") as cases:
        return dict(cases)
