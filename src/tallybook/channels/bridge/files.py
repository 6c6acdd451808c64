"""Files that came with messages, had from a bridge: it downloads one and says where it put it.

The bridge's answer is not trusted: a path that leads out of its own folder is not opened, and what a file holds is for
the caller to prove. Where the bridge sees its folder under another name, as in a container, the end of the path counts.
"""

from __future__ import annotations

import asyncio
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import httpx
import msgspec

from tallybook.channels.authorities import authorities

MAX_ANSWER = 65_536


class NotThere(Exception):
    """The file cannot be had; the text says why."""


class Answer(msgspec.Struct, frozen=True):
    success: bool = False
    path: str = ""


@dataclass(frozen=True)
class BridgeFiles:
    """The files of one bridge. ``api`` is its address, as ``…/api``; ``folder`` is where its own files are."""

    api: str
    folder: Path
    token: str | None = field(default=None, repr=False)
    timeout: float = 60.0

    async def fetch(self, external_id: str, chat: str, most: int) -> bytes:
        """The bytes of a message's file, ``most`` and one of them at most. Raises NotThere."""
        said = await self._asked(external_id, chat)
        path = self._found(said.path)
        if path is None:
            raise NotThere("The bridge's file is not in the bridge's folder on this machine.")
        try:
            return await asyncio.to_thread(_read, path, most)
        except OSError as error:
            raise NotThere("The bridge's file cannot be read on this machine.") from error

    async def _asked(self, external_id: str, chat: str) -> Answer:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        body = {"message_id": external_id, "chat_jid": chat}
        try:
            async with httpx.AsyncClient(
                headers=headers, timeout=self.timeout, verify=authorities(), follow_redirects=False, trust_env=False
            ) as client:
                answer = await client.post(f"{self.api}/download", json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotThere("The bridge cannot be reached.") from error
        try:
            said = msgspec.json.decode(answer.content[:MAX_ANSWER], type=Answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise NotThere("The bridge's answer cannot be understood.") from error
        if not answer.is_success or not said.success or not said.path:
            raise NotThere("The bridge could not download the file. WhatsApp keeps files for some weeks only.")
        return said

    def _found(self, said: str) -> Path | None:
        """Where the named file is within the bridge's folder; None if nowhere."""
        parts = [part for part in PurePosixPath(said.replace("\\", "/")).parts if part not in {"/", ".", ".."}]
        root = self.folder.resolve()
        for start in range(len(parts)):
            path = root.joinpath(*parts[start:]).resolve()
            if path.is_relative_to(root) and path.is_file():
                return path
        return None


def _read(path: Path, most: int) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("not a file")
        return file.read(most + 1)
