"""Granian on a socket of ours. Its own bind would have SO_REUSEPORT, which lets others in beside it."""

from __future__ import annotations

import socket
from typing import Any

from granian.net import SocketHolder  # type: ignore[attr-defined]  # made in Rust, left out of its types
from granian.server.embed import Server

from .listening import BACKLOG


class OnOurs(Server):
    """Granian's server on a socket that listens already.

    Should Granian one day no longer ask here, its own bind is refused, since the port is ours: nothing is shared.
    """

    def __init__(self, target: Any, ours: socket.socket, **options: Any) -> None:
        super().__init__(target, **options)
        self._ours = ours

    def _init_shared_socket(self) -> None:
        # A copy, since the server closes what it is given.
        copy = self._ours.dup()
        copy.settimeout(0)
        holder: Any = SocketHolder
        no_path = False
        shared = holder(copy.detach(), no_path, BACKLOG)
        self._shd = shared
        self._sfd = shared.get_fd()
