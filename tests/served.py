"""What the servers on this machine that stand for somebody else's have in common: a free port, a thread, an answer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Served:
    """Serves until the block ends, by ``handler()``, which finds this object as its ``fake``."""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        raise NotImplementedError

    def let_go(self) -> None:
        """Before the server stops: whoever is held up may go on."""

    def __enter__(self) -> Self:
        self.server = Quiet(("127.0.0.1", 0), type("Handler", (self.handler(),), {"fake": self}))
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that gave up, or was killed, leaves a broken connection, which is what the tests are about."""


class Handler(BaseHTTPRequestHandler):
    def body(self) -> bytes:
        """What was posted."""
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def say(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Answers in JSON, perhaps to nobody any more."""
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def drop(self) -> None:
        """Breaks the connection."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(2)

    def log_message(self, *_: Any) -> None:
        pass
