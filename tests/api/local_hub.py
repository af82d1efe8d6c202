"""A stand-in for the Hugging Face Hub: the part of its protocol that uploads and downloads need, over HTTP.

After docs of the Hub's API and of Git LFS: https://huggingface.co/docs/hub/api and
https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TOKEN = "hf_test"


@dataclass
class Repository:
    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """The files of every commit, the newest last."""

    @property
    def newest(self) -> str:
        return list(self.commits)[-1]

    def commit(self, files: dict[str, bytes]) -> str:
        name = hashlib.sha1(repr((len(self.commits), sorted(files.items()))).encode()).hexdigest()
        self.commits[name] = files
        return name


@dataclass
class LocalHub:
    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    """Large files by their SHA-256."""
    requests: list[str] = field(default_factory=list)
    breaks_at: str | None = None
    """Part of a path at which the connection is closed without an answer."""

    def upload(self, repository: str, files: dict[str, bytes], *, private: bool = False) -> str:
        """Make a commit as if somebody had uploaded these files."""
        return self.repositories.setdefault(repository, Repository(private, {})).commit(files)


@contextmanager
def local_hub() -> Iterator[LocalHub]:
    """A hub at a free port of this machine."""
    hub = LocalHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: LocalHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.answer(b"")

    def do_HEAD(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def do_PUT(self) -> None:
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body: bytes) -> None:
        path = self.path.partition("?")[0]
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.breaks_at is not None and self.hub.breaks_at in path:
            self.close_connection = True
            self.connection.close()
            return
        for method, pattern, respond in ROUTES:
            if self.command in method and (found := re.fullmatch(pattern, path)):
                respond(self, body, *found.groups())
                return
        self.refuse(404, f"no route for {self.command} {path}")

    def send(self, data: object, status: int = 200) -> None:
        self.send_bytes(json.dumps(data).encode(), {"Content-Type": "application/json"}, status)

    def send_bytes(self, content: bytes, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, status: int, words: str, code: str = "") -> None:
        self.send_bytes(json.dumps({"error": words}).encode(), {"X-Error-Code": code, "X-Error-Message": words}, status)

    @property
    def may_write(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def repository(self, name: str) -> Repository | None:
        """The repository, or None after an error if there is none that the token may see."""
        found = self.hub.repositories.get(name)
        if found is None or (found.private and not self.may_write):
            self.refuse(404 if self.may_write else 401, "Repository not found", "RepoNotFound")
            return None
        return found

    def files(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit of a revision and its files, or None after an error."""
        found = self.repository(name)
        if found is None:
            return None
        commit = found.newest if revision == "main" else revision
        if commit not in found.commits:
            self.refuse(404, f"Invalid rev id: {revision}", "RevisionNotFound")
            return None
        return commit, found.commits[commit]

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if not self.may_write:
            self.refuse(401, "Invalid username or password.")
        elif name in self.hub.repositories:
            self.send({"url": f"{self.hub.url}/{name}", "error": "You already created this model repo"}, 409)
        else:
            is_private = asked.get("visibility") == "private" or asked.get("private") is True
            self.hub.upload(name, {".gitattributes": b""}, private=is_private)
            self.send({"url": f"{self.hub.url}/{name}", "name": name})

    def info(self, body: bytes, name: str, revision: str) -> None:
        if found := self.files(name, revision):
            self.send({"id": name, "sha": found[0], "siblings": [{"rfilename": file} for file in found[1]]})

    def tree(self, body: bytes, name: str, revision: str) -> None:
        if found := self.files(name, revision):
            self.send(
                [
                    {"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    for file, content in found[1].items()
                ]
            )

    def resolve(self, body: bytes, name: str, revision: str, file: str) -> None:
        if found := self.files(name, revision):
            if file not in found[1]:
                self.refuse(404, "Entry not found", "EntryNotFound")
                return
            content = found[1][file]
            etag = f'"{hashlib.sha1(content).hexdigest()}"'
            self.send_bytes(content, {"ETag": etag, "X-Repo-Commit": found[0]})

    def validate(self, body: bytes) -> None:
        self.send({"errors": [], "warnings": []})

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        if self.repository(name) is not None:
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            self.send({"files": files})

    def batch(self, body: bytes, name: str) -> None:
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.hub.url}/large/{one['oid']}"}}}
            for one in json.loads(body)["objects"]
        ]
        self.send({"transfer": "basic", "objects": objects})

    def store(self, body: bytes, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.stored[oid] = body
        self.send({})

    def commit(self, body: bytes, name: str, revision: str) -> None:
        found = self.repository(name)
        if found is None:
            return
        if not self.may_write:
            self.refuse(403, "You don't have the rights to write to this repository")
            return
        files = dict(found.commits[found.newest])
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        commit = found.commit(files)
        self.send({"commitUrl": f"{self.hub.url}/{name}/commit/{commit}", "commitOid": commit})


NAME, REVISION = r"([^/]+/[^/]+)", "([^/]+)"
ROUTES = [
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.validate),
    ("GET", f"/api/models/{NAME}/revision/{REVISION}", _Handler.info),
    ("GET", f"/api/models/{NAME}/tree/{REVISION}", _Handler.tree),
    ("POST", f"/api/models/{NAME}/preupload/{REVISION}", _Handler.preupload),
    ("POST", f"/api/models/{NAME}/commit/{REVISION}", _Handler.commit),
    ("POST", rf"/{NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", "/large/(.+)", _Handler.store),
    ("GET HEAD", f"/{NAME}/resolve/{REVISION}/(.+)", _Handler.resolve),
]
