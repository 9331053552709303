"""A Hub on 127.0.0.1, for tests: models, datasets and Spaces, with faults to order. Standard library only.

    with LoopbackHub() as hub:
        subprocess.run([...], env=hub.environment(tmp_path))
        hub.files("user/name", "model")  # {path: bytes} of the branch main

    python tests/loopback_hub.py --port 8899

Answers the requests that huggingface_hub, transformers and datasets make: create, delete, commit (regular files and
LFS), preupload, listings, revisions, branches, tags, downloads with Range. It has no Xet, no gating, no rights but
"has the token" and no check of cards. Clients need what `environment` sets, before they import huggingface_hub.

Faults (`hub.inject("POST", "/commit/", 503)`) strike the next `times` requests of a method whose path holds a part:

    401 ... 503  answered so, nothing done (429 with Retry-After: 1)
    "cut"        the request is done, half of the reply comes and the connection ends; of a PUT, half is stored
    "lost"       the request is done, the connection ends without a reply
    "hash"       the request is done, every hash in the reply (ETag, oid, sha, commitOid) is wrong
    "flip"       the bytes of a download, or of a PUT, differ in one place; the length is right
    "drop"       a commit loses its last file and says that all is well
"""

import argparse
import contextlib
import os
import threading
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from loopback_routes import Handler
from loopback_store import GIT_ATTRIBUTES, Store

TOKEN = "hf_loopback"


class LogEntry(NamedTuple):
    """A request that came in."""

    method: str
    path: str
    status: int
    fault: int | str | None
    num_bytes: int


@dataclass
class Fault:
    """A fault that waits for its requests, and lets `skip` of them pass first."""

    method: str
    part_of_path: str
    name: int | str
    skip: int


class LoopbackHub:
    """A Hub that lives as long as its `with` block.

    Args:
        fault: A fault to start with, `(method, part_of_path, fault)` or with `times` as a fourth.
        port: Port to listen on; 0 takes a free one.
        token: The token that may do everything.
        user: Whose token it is; repositories named without an owner are theirs.
        page_size: Rows per page of a listing.
    """

    def __init__(self, fault=None, *, port: int = 0, token: str = TOKEN, user: str = "user", page_size: int = 1000):
        self.store, self.log, self.lock = Store(), [], threading.RLock()
        self.token, self.user, self.page_size = token, user, page_size
        self._faults: list[Fault] = []
        if fault is not None:
            self.inject(*fault)
        handler = type("BoundHandler", (Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        # a short interval, because leaving the `with` block waits for one
        serve = {"target": self._server.serve_forever, "kwargs": {"poll_interval": 0.005}}
        self._thread = threading.Thread(**serve, daemon=True)

    def __enter__(self) -> "LoopbackHub":
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def inject(self, method: str, part_of_path: str, fault: int | str, times: int = 1, *, skip: int = 0) -> None:
        """Let a fault strike `times` requests of a method whose path holds a part, after `skip` that go well."""
        if not isinstance(fault, int) and fault not in ("cut", "lost", "hash", "flip", "drop"):
            raise ValueError(f"fault must be a status or cut, lost, hash, flip or drop, got {fault!r}")
        with self.lock:
            self._faults += [Fault(method, part_of_path, fault, skip)] * times

    def record(self, *entry) -> None:
        """Write a request into the log."""
        self.log.append(LogEntry(*entry))

    def fault_of(self, method: str, path: str) -> int | str | None:
        """Return the fault that strikes this request, and use it up."""
        with self.lock:
            for position, fault in enumerate(self._faults):
                if fault.method == method and fault.part_of_path in path:
                    if not fault.skip:
                        return self._faults.pop(position).name
                    fault.skip -= 1
                    return None
        return None

    @property
    def waiting_faults(self) -> list[Fault]:
        """Faults that have not struck yet."""
        return list(self._faults)

    def clear_faults(self) -> None:
        """Forget the faults that have not struck yet."""
        with self.lock:
            self._faults.clear()

    def files(self, repo_id: str, repo_type: str = "model", revision: str = "main") -> dict[str, bytes]:
        """Return the files of a revision, path -> bytes, without the .gitattributes that every repository has."""
        listing = self.store.get(repo_id, repo_type).commit_of(revision).files
        return {path: blob.data for path, blob in sorted(listing.items()) if path != GIT_ATTRIBUTES}

    def commits(self, repo_id: str, repo_type: str = "model", revision: str = "main") -> list[str]:
        """Return the titles of a revision's commits, newest first; the last is "initial commit"."""
        return [commit.title for commit in self.store.get(repo_id, repo_type).history(revision)]

    def requests(self, method: str, part_of_path: str = "") -> list[LogEntry]:
        """Return the requests of a method whose path holds a part."""
        return [entry for entry in self.log if entry.method == method and part_of_path in entry.path]

    def environment(self, tmp_path, *, token: str | None = TOKEN) -> dict[str, str]:
        """Return the environment for a process that shall see this Hub and nothing else.

        Args:
            tmp_path: Folder for its caches.
            token: Token it has; None for none.
        """
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING_FACE_"))}
        for key in ("TRANSFORMERS_OFFLINE", "TRANSFORMERS_CACHE", "HUGGINGFACE_HUB_CACHE"):
            kept.pop(key, None)
        return {
            **kept,
            **{"HF_ENDPOINT": self.url, "HF_HOME": str(Path(tmp_path) / "hf_home"), "HF_HUB_DISABLE_XET": "1"},
            **{"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "OMP_NUM_THREADS": "1"},
            **{"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"},
            **({"HF_TOKEN": token} if token else {}),
        }

    @contextlib.contextmanager
    def seen_here(self, folder):
        """Let this very process see this Hub and nothing else: the client reads these when it is called.

        Args:
            folder: Folder for its caches.
        """
        from huggingface_hub import constants
        from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

        settings = {"HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True, "HF_HUB_CACHE": str(Path(folder) / "cache")}
        settings["HUGGINGFACE_CO_URL_TEMPLATE"] = self.url + "/{repo_id}/resolve/{revision}/{filename}"
        with (
            mock.patch.multiple(constants, ENDPOINT=self.url, **settings),
            mock.patch.dict(os.environ, HF_TOKEN=self.token),
            # transformers keeps the client that it made first, which another Hub may have been told to
            mock.patch("transformers.utils.hub._hf_api", None),
        ):
            disable_progress_bars()
            try:
                yield
            finally:
                enable_progress_bars()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="a Hub on 127.0.0.1 that forgets everything when it ends")
    parser.add_argument("--port", type=int, default=8899)
    with LoopbackHub(port=parser.parse_args().port) as hub, contextlib.suppress(KeyboardInterrupt):
        print(f"HF_ENDPOINT={hub.url} HF_TOKEN={hub.token} HF_HUB_DISABLE_XET=1", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
