"""A bridge's ``/api/download`` as bridges have it: what lies under the file's name already is given, whatever it is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from tests.served import Handler, Served


@dataclass
class FakeDownloads(Served):
    """Serves until the block ends. ``files``: by (message, chat) the name that the bridge makes up, and the bytes.

    ``says`` puts another path into every answer; ``broken`` answers with what is no JSON.
    """

    folder: Path
    files: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    says: str | None = None
    broken: bool = False
    asked: int = 0

    def handler(self) -> type[Handler]:
        return _Handler

    @property
    def api(self) -> str:
        return f"{self.address}/api"

    def download(self, message: str, chat: str) -> dict[str, object]:
        self.asked += 1
        known = self.files.get((message, chat))
        if known is None:
            return {"success": False, "message": "Failed to download media: not found"}
        path = self.folder / chat / known[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(known[1])
        return {"success": True, "message": "ok", "filename": known[0], "path": self.says or str(path)}


class _Handler(Handler):
    fake: ClassVar[FakeDownloads]

    def do_POST(self) -> None:
        body = json.loads(self.body())
        said = self.fake.download(body["message_id"], body["chat_jid"])
        content = b"<html>" if self.fake.broken else json.dumps(said).encode()
        self.say(200 if said["success"] else 500, content)
