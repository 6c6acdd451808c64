"""A bridge's ``/api/download`` as bridges have it: what lies under the file's name already is given, whatever it is."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, Self


@dataclass
class FakeDownloads:
    """Serves until the block ends. ``files``: by (message, chat) the name that the bridge makes up, and the bytes.

    ``says`` puts another path into every answer; ``broken`` answers with what is no JSON.
    """

    folder: Path
    files: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    says: str | None = None
    broken: bool = False
    asked: int = 0

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"fake": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/api"

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


class _Handler(BaseHTTPRequestHandler):
    fake: ClassVar[FakeDownloads]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = self.fake.download(body["message_id"], body["chat_jid"])
        content = b"<html>" if self.fake.broken else json.dumps(said).encode()
        self.send_response(200 if said["success"] else 500)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""
