"""What a loopback Hub answers to each request, and the faults of `loopback_hub.py`.

A route is a method of `Handler` with the path it answers. `Handler.fault` is the fault that strikes this request.
"""

import base64
import json
import re
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from loopback_store import HubError, Repository

HASH_KEYS = ("oid", "sha", "commitOid", "blobId", "sha256")
ROUTES: list[tuple[str, re.Pattern, str]] = []


class Reply(NamedTuple):
    """What is sent back."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})

    @classmethod
    def of(cls, value, status: int = 200, **headers) -> "Reply":
        return cls(json.dumps(value).encode(), status, {"Content-Type": "application/json", **headers})


def wrong(text: str) -> str:
    """Return another hash of the same length."""
    return ("0" if text[0] != "0" else "1") + text[1:]


def with_wrong_hashes(value):
    """Return a JSON value in which every hash is another."""
    if isinstance(value, list):
        return [with_wrong_hashes(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: wrong(item) if key in HASH_KEYS and isinstance(item, str) else with_wrong_hashes(item)
        for key, item in value.items()
    }


def flip(data: bytes) -> bytes:
    """Return data with one bit changed, in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else data


def route(method: str, pattern: str):
    """Enter a method of `Handler` as the answer to a path; {kind}, {id} and {rest} are what their names say."""
    for name, expression in {
        "kind": "(?P<kind>model|dataset|space)s",
        "prefix": "(?:(?P<kind>dataset|space)s/)?",
        "id": "(?P<repo_id>(?!api/)[^/]+/[^/]+?)",
        "rev": "(?P<revision>[^/]+)",
        "rest": "(?P<rest>.+)",
    }.items():
        pattern = pattern.replace(f"{{{name}}}", expression)

    def enter(function):
        ROUTES.append((method, re.compile(pattern), function.__name__))
        return function

    return enter


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    hub = None  # the class is derived with the Hub that it answers for

    # requests

    def handle_request(self):
        self.body = self._read_body()
        split = urlsplit(self.path)
        self.query = parse_qs(split.query)
        self.fault = self.hub.fault_of(self.command, split.path)
        try:
            reply = self._answer(split.path)
        except HubError as error:
            reply = self._error(error)
        if self.fault == "hash":
            reply = self._lie(reply)
        self.hub.record(self.command, self.path, reply.status, self.fault, len(self.body))
        self._send(reply)

    def __getattr__(self, name):
        # the base class looks for do_GET, do_PUT and so on
        if name.startswith("do_"):
            return self.handle_request
        raise AttributeError(name)

    def log_message(self, *arguments):
        """Keep the console quiet; `hub.log` has it all."""

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _answer(self, path: str) -> Reply:
        if isinstance(self.fault, int):
            message = f"the loopback Hub was told to answer {self.fault}"
            raise HubError(self.fault, message, "RepoNotFound" if self.fault == 404 else None)
        method = "GET" if self.command == "HEAD" else self.command
        for known_method, pattern, name in ROUTES:
            if known_method == method and (match := pattern.fullmatch(path)):
                found = {key: unquote(value) for key, value in match.groupdict(default="model").items()}
                with self.hub.lock:
                    return getattr(self, name)(**found)
        if path.startswith("/api/") and not re.match(r"/api/(models|datasets|spaces)/", path):
            raise HubError(404, f"the loopback Hub does not know {method} {path}")
        raise HubError(404, "Repository not found", "RepoNotFound")

    # replies

    def _error(self, error: HubError) -> Reply:
        headers = {"X-Error-Message": error.message}
        if error.code:
            headers["X-Error-Code"] = error.code
        if error.status == 429:
            headers["Retry-After"] = "1"
        return Reply.of({"error": error.message}, error.status, **headers)

    def _lie(self, reply: Reply) -> Reply:
        tags = {key: value for key, value in reply.headers.items() if key in ("ETag", "X-Linked-Etag")}
        headers = {**reply.headers, **{key: f'"{wrong(value[1:])}' for key, value in tags.items()}}
        is_json = "/api/" in self.path or self.path.endswith("/objects/batch")
        body = json.dumps(with_wrong_hashes(json.loads(reply.body))).encode() if is_json and reply.body else reply.body
        return Reply(body, reply.status, headers)

    def _send(self, reply: Reply) -> None:
        if self.fault == "lost":
            self.close_connection = True
            return
        body = flip(reply.body) if self.fault == "flip" and self.command == "GET" else reply.body
        self.send_response(reply.status)
        for key, value in {"Content-Length": str(len(body)), **reply.headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.fault == "cut" and self.command != "PUT":
            body, self.close_connection = body[: len(body) // 2], True
        if self.command != "HEAD":
            self.wfile.write(body)

    # helpers

    def _has_token(self) -> bool:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token != self.hub.token:
            raise HubError(401, "Invalid credentials in Authorization header")
        return bool(token)

    def _need_token(self) -> None:
        if not self._has_token():
            raise HubError(401, "Invalid username or password.")

    def _readable(self, kind: str, repo_id: str) -> Repository:
        return self.hub.store.get(repo_id, kind, may_see_private=self._has_token())

    def _writable(self, kind: str, repo_id: str) -> Repository:
        self._need_token()
        return self.hub.store.get(repo_id, kind)

    def _json(self) -> dict:
        return json.loads(self.body) if self.body else {}

    def _repo_url(self, repository: Repository) -> str:
        prefix = "" if repository.kind == "model" else f"{repository.kind}s/"
        return f"{self.hub.url}/{prefix}{repository.repo_id}"

    def _page(self, rows: list, size: int) -> Reply:
        """Return a page of rows; the header Link tells where the next one is."""
        start = int(self.query.get("cursor", ["0"])[0])
        rest = "&".join(f"{key}={value[0]}" for key, value in self.query.items() if key != "cursor")
        link = f'<{self.hub.url}{urlsplit(self.path).path}?{rest}&cursor={start + size}>; rel="next"'
        headers = {"Link": link} if start + size < len(rows) else {}
        return Reply.of(rows[start : start + size], **headers, **{"X-Total-Count": str(len(rows))})

    # accounts and repositories

    @route("GET", "/api/whoami-v2")
    def whoami(self):
        self._need_token()
        access = {"displayName": "loopback", "role": "write"}
        user = {"type": "user", "id": "1", "name": self.hub.user, "fullname": self.hub.user, "orgs": []}
        return Reply.of({**user, "auth": {"type": "access_token", "accessToken": access}})

    @route("POST", "/api/validate-yaml")
    def validate_yaml(self):
        return Reply.of({"errors": [], "warnings": []})

    @route("POST", "/api/repos/create")
    def create(self):
        self._need_token()
        wish = self._json()
        repo_id, kind = f"{wish.get('organization') or self.hub.user}/{wish['name']}", wish.get("type", "model")
        private = wish.get("visibility") == "private" or bool(wish.get("private"))
        try:
            repository = self.hub.store.create(repo_id, kind, private=private, sdk=wish.get("sdk"))
        except HubError as error:
            if error.status != 409:
                raise
            existing = self.hub.store.get(repo_id, kind)
            return Reply.of({"error": error.message, "url": self._repo_url(existing), "id": repo_id}, 409)
        return Reply.of({"url": self._repo_url(repository), "name": repo_id, "id": repo_id})

    @route("DELETE", "/api/repos/delete")
    def delete(self):
        self._need_token()
        wish = self._json()
        self.hub.store.delete(f"{wish.get('organization') or self.hub.user}/{wish['name']}", wish.get("type", "model"))
        return Reply()

    @route("PUT", "/api/{kind}/{id}/settings")
    def settings(self, kind, repo_id):
        repository, wish = self._writable(kind, repo_id), self._json()
        repository.private = wish.get("visibility") == "private" or bool(wish.get("private"))
        return Reply.of({"private": repository.private})

    @route("GET", "/api/{kind}")
    def listing(self, kind):
        author, may_see_private = self.query.get("author", [None])[0], self._has_token()
        found = [repository for known, repository in self.hub.store.repositories.items() if known[0] == kind]
        rows = [
            {"id": found_one.repo_id, "private": found_one.private, "tags": []}
            for found_one in found
            if (author is None or found_one.repo_id.startswith(f"{author}/"))
            and (may_see_private or not found_one.private)
        ]
        return self._page(rows, self.hub.page_size)

    # reading

    @route("GET", "/api/{kind}/{id}")
    def info(self, kind, repo_id, revision="main"):
        repository = self._readable(kind, repo_id)
        commit = repository.commit_of(revision)
        siblings = [{"rfilename": path} for path in commit.files]
        if self.query.get("blobs"):
            siblings = [self._sibling(path, blob) for path, blob in commit.files.items()]
        about = {
            **{"_id": repo_id, "id": repo_id, "author": repo_id.split("/")[0], "sha": commit.oid},
            **{"lastModified": commit.date, "createdAt": commit.date, "private": repository.private},
            **{"gated": False, "disabled": False, "downloads": 0, "likes": 0, "tags": [], "siblings": siblings},
        }
        if repository.sdk:
            about["sdk"] = repository.sdk
        return Reply.of(about)

    @route("GET", "/api/{kind}/{id}/revision/{rev}")
    def info_of_revision(self, kind, repo_id, revision):
        return self.info(kind, repo_id, revision)

    def _sibling(self, path, blob):
        row = {"rfilename": path, "size": len(blob.data), "blobId": blob.blob_id}
        if blob.is_large:
            row["lfs"] = {"sha256": blob.sha256, "size": len(blob.data), "pointerSize": len(blob.pointer)}
        return row

    @route("GET", "/api/{kind}/{id}/tree/{rev}")
    def tree_of_root(self, kind, repo_id, revision):
        return self.tree(kind, repo_id, revision, "")

    @route("GET", "/api/{kind}/{id}/tree/{rev}/{rest}")
    def tree(self, kind, repo_id, revision, rest):
        repository = self._readable(kind, repo_id)
        recursive = self.query.get("recursive", [""])[0].lower() in ("1", "true")
        rows = repository.tree(revision, rest.strip("/"), recursive=recursive)
        if self.query.get("expand", [""])[0].lower() in ("1", "true"):
            rows = [{**row, "lastCommit": repository.commit_of(revision).entry()} for row in rows]
        return self._page(rows, self.hub.page_size)

    @route("POST", "/api/{kind}/{id}/paths-info/{rev}")
    def paths_info(self, kind, repo_id, revision):
        repository = self._readable(kind, repo_id)
        is_json = "json" in self.headers.get("Content-Type", "")
        wish = self._json() if is_json else parse_qs(self.body.decode())
        wanted = wish.get("paths", [])
        rows = repository.tree(revision, "", recursive=True)
        if str(wish.get("expand", "")).lower().strip("[]'") == "true":
            rows = [{**row, "lastCommit": repository.commit_of(revision).entry()} for row in rows]
        return Reply.of([row for row in rows if row["path"] in wanted])

    @route("GET", "/api/{kind}/{id}/refs")
    def refs(self, kind, repo_id):
        repository = self._readable(kind, repo_id)
        groups = {"branches": ("heads", repository.branches), "tags": ("tags", repository.tags)}
        rows = {
            group: [{"name": name, "ref": f"refs/{word}/{name}", "targetCommit": oid} for name, oid in named.items()]
            for group, (word, named) in groups.items()
        }
        return Reply.of({**rows, "converts": [], "pullRequests": []})

    @route("GET", "/api/{kind}/{id}/commits/{rev}")
    def commits(self, kind, repo_id, revision):
        history = self._readable(kind, repo_id).history(revision)
        return self._page([commit.entry() for commit in history], self.hub.page_size)

    @route("GET", "/{prefix}{id}/(?:resolve|raw)/{rev}/{rest}")
    def resolve(self, kind, repo_id, revision, rest):
        commit, blob = self._readable(kind, repo_id).blob(revision, rest)
        size = len(blob.data)
        headers = {
            **{"ETag": f'"{blob.etag}"', "X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"},
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f'inline; filename="{Path(rest).name}"',
        }
        if blob.is_large:
            headers |= {"X-Linked-Size": str(size), "X-Linked-Etag": f'"{blob.etag}"'}
        if self.command == "HEAD":
            return Reply(b"", 200, {**headers, "Content-Length": str(size)})
        match = re.fullmatch(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", self.headers.get("Range", ""))
        if not match:
            return Reply(blob.data, 200, headers)
        first, last = match.groups()
        start = int(first) if first else max(0, size - int(last))
        end = min(int(last), size - 1) if first and last else size - 1
        if start >= size:
            return Reply(b"", 416, {"Content-Range": f"bytes */{size}"})
        return Reply(blob.data[start : end + 1], 206, {**headers, "Content-Range": f"bytes {start}-{end}/{size}"})

    # writing

    @route("POST", "/api/{kind}/{id}/preupload/{rev}")
    def preupload(self, kind, repo_id, revision):
        repository = self._writable(kind, repo_id)
        existing = repository.commit_of(revision).files
        rows = []
        for file in self._json()["files"]:
            mode = repository.upload_mode(file["path"], file["size"], base64.b64decode(file["sample"]))
            row = {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
            if blob := existing.get(file["path"]):
                row["oid"] = blob.etag
            rows.append(row)
        return Reply.of({"files": rows, "commitOid": repository.commit_of(revision).oid})

    @route("POST", "/{prefix}{id}[.]git/info/lfs/objects/batch")
    def lfs_batch(self, kind, repo_id):
        repository = self._writable(kind, repo_id)
        rows = []
        for wanted in self._json()["objects"]:
            href = f"{self.hub.url}/lfs/{kind}s/{repo_id}/{wanted['oid']}"
            actions = {} if repository.holds(**wanted) else {"actions": {"upload": {"href": href}}}
            rows.append({**wanted, "authenticated": True, **actions})
        return Reply.of({"transfer": "basic", "objects": rows})

    @route("PUT", "/lfs/{kind}/{id}/{rest}")
    def lfs_put(self, kind, repo_id, rest):
        # the address is what a signed one is on the Hub: whoever has it may write there
        data = self.body[: len(self.body) // 2] if self.fault == "cut" else self.body
        self.hub.store.get(repo_id, kind).objects[rest] = flip(data) if self.fault == "flip" else data
        return Reply()

    @route("POST", "/api/{kind}/{id}/commit/{rev}")
    def commit(self, kind, repo_id, revision):
        repository = self._writable(kind, repo_id)
        lines = [json.loads(line) for line in self.body.splitlines() if line.strip()]
        branch, extra = revision, {}
        if self.query.get("create_pr"):
            number = 1 + sum(name.startswith("refs/pr/") for name in repository.branches)
            branch = f"refs/pr/{number}"
            repository.branches[branch] = repository.commit_of(revision).oid
            extra = {"pullRequestUrl": f"{self._repo_url(repository)}/discussions/{number}"}
        oid = repository.apply(branch, lines, drop_last=self.fault == "drop").oid
        url = f"{self._repo_url(repository)}/commit/{oid}"
        return Reply.of({"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": "", **extra})

    @route("POST", "/api/{kind}/{id}/branch/{rev}")
    def create_branch(self, kind, repo_id, revision):
        repository = self._writable(kind, repo_id)
        if revision in repository.branches:
            raise HubError(409, f"Reference already exists: {revision}")
        repository.branches[revision] = repository.commit_of(self._json().get("startingPoint", "main")).oid
        return Reply.of({})

    @route("POST", "/api/{kind}/{id}/tag/{rev}")
    def create_tag(self, kind, repo_id, revision):
        repository, tag = self._writable(kind, repo_id), self._json()["tag"]
        if tag in repository.tags:
            raise HubError(409, f"Tag reference exists already: {tag}")
        repository.tags[tag] = repository.commit_of(revision).oid
        return Reply.of({})

    @route("DELETE", "/api/{kind}/{id}/(?P<group>branch|tag)/{rev}")
    def delete_reference(self, kind, repo_id, revision, group):
        repository = self._writable(kind, repo_id)
        named = repository.branches if group == "branch" else repository.tags
        if named.pop(revision, None) is None:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return Reply()
