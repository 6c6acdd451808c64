"""A SharePoint library: files that are replaced as a whole by upload sessions, and may be open in Excel."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import Any

from tests.graph.lists import changed_by
from tests.graph.words import Asked, Told, error

PIECE = 320 * 1024


@dataclass
class File:
    id: str
    content: bytes
    changed: dict[str, Any]
    version: int = 1
    locked: bool = False

    @property
    def etag(self) -> str:
        return f'"{{F1{self.id:0>4}}},{self.version}"'

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "eTag": self.etag, "size": len(self.content), "file": {}, **self.changed}


@dataclass
class Session:
    """An upload under way; the file is untouched until its last byte has come."""

    path: str
    clash: str
    etag: str | None
    received: bytearray = field(default_factory=bytearray)


@dataclass
class Library:
    files: dict[str, File] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))
    uploads: int = 0

    def ask(self, asked: Asked, path: str, body: Any, address: str) -> Told:
        """A request about the file at a path, or for a session to write it."""
        name, _, verb = path.partition(":/")
        file = self.files.get(name)
        if asked.method == "GET" and not verb:
            return Told(200, file.as_json()) if file else error(404, "itemNotFound")
        if asked.method != "POST" or verb != "createUploadSession":
            return error(405, "notAllowed")
        session = Session(name, body["item"]["@microsoft.graph.conflictBehavior"], asked.headers.get("if-match"))
        if refused := self._refusal(session):
            return refused
        number = str(next(self.numbers))
        self.sessions[number] = session
        return Told(200, {"uploadUrl": f"{address}/upload/{number}", "nextExpectedRanges": ["0-"]})

    def _refusal(self, session: Session) -> Told | None:
        file = self.files.get(session.path)
        if file is not None and file.locked:
            return error(423, "resourceLocked")
        if file is None and session.etag is not None:
            return error(404, "itemNotFound")
        if file is not None and session.etag is not None and session.etag != file.etag:
            return error(412, "resourceModified")
        if file is not None and session.clash == "fail":
            return error(409, "nameAlreadyExists")
        return None

    def slice(self, asked: Asked) -> Told:
        """A slice of an upload, or the question how far it is."""
        number = asked.path.rpartition("/")[2]
        session = self.sessions.get(number)
        if session is None:
            return error(404, "itemNotFound")
        waits = f"{len(session.received)}-"
        if asked.method == "GET":
            return Told(200, {"nextExpectedRanges": [waits]})
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", asked.headers.get("content-range", ""))
        if found is None:
            return error(400, "invalidRequest")
        first, last, size = map(int, found.groups())
        if last - first + 1 != len(asked.body) or (last + 1 < size and len(asked.body) % PIECE):
            return error(400, "invalidRequest")
        if first != len(session.received):
            return error(416, "invalidRange")
        session.received += asked.body
        if last + 1 < size:
            return Told(202, {"nextExpectedRanges": [f"{last + 1}-"]})
        return self._finish(number, session)

    def _finish(self, number: str, session: Session) -> Told:
        if refused := self._refusal(session):
            return refused
        del self.sessions[number]
        self.uploads += 1
        file = self.files.get(session.path)
        status = 200 if file else 201
        if file is None:
            file = self.files[session.path] = File(str(next(self.numbers)), b"", {}, 0)
        file.content, file.changed = bytes(session.received), changed_by(None)
        file.version += 1
        told = Told(status, file.as_json())
        # SharePoint writes the library's own properties into an Office file after it has answered.
        file.version += 1
        return told

    def edit(self, path: str, content: bytes) -> None:
        """A person saves the file from Excel."""
        file = self.files[path]
        file.content, file.changed = content, changed_by("Thandi Nkosi")
        file.version += 1
