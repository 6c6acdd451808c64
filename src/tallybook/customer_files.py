"""The files of customers and those that they are sent, between WhatsApp or a gateway, the disk and the inbox."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import ClassVar, Protocol

from .channels.files import File, NotThere, file_of, with_id
from .channels.gateway.webhook import GatewayWebhook
from .channels.whatsapp.webhook import WhatsAppWebhook
from .core import channel_accounts, kept_files
from .core.channel import Refused, SendError
from .core.db import Conn, Database
from .core.jobs import Held
from .core.messages import Outgoing
from .core.updates import hash_in_hex
from .inbox.service import media
from .inbox.service.erasing import Places
from .inbox.service.media import Shelf, Take, Unfetched
from .inbox.store import media as store
from .inbox.store.media import Copy, Wanted
from .settings import Settings

PATIENCE = 15.0  # seconds of a send that may pass until a file is at its provider
NO_FILES = "This channel has no files."
ON_ITS_WAY = "The file is still on its way to WhatsApp."


def folder(settings: Settings) -> Path:
    """Where the environment's files are kept, each under the hash of what it holds."""
    return settings.data_dir / "inbox" / settings.env


def erased(settings: Settings) -> Places:
    """Where something of somebody who is forgotten may lie, whichever channels have a secret by now."""
    readers = {hook.name: hook.parse for hook in (WhatsAppWebhook([]), GatewayWebhook([]))}
    return Places(folder(settings), settings.spool_dir, readers)


def shelf(settings: Settings) -> Shelf:
    """The same, with the bytes that one may have."""
    return Shelf(folder(settings), settings.inbox_file_mb * 1024 * 1024)


class Files(Protocol):
    """A channel's files. ``keeps``: for how long it has what it was given. See channels/files.py."""

    keeps: ClassVar[timedelta]

    async def fetch(self, account: str, media_id: str, take: Take) -> None: ...
    async def upload(self, account: str, path: Path, file: File) -> str: ...


@dataclass
class CustomerFiles:
    """Fetches what customers send, and gives each channel what they are sent, each file once for a number."""

    settings: Settings
    db: Database
    channels: Mapping[str, Files]
    under_way: dict[Copy, asyncio.Task[str]] = field(default_factory=dict, repr=False)

    async def fetch(self, wanted: Wanted, take: Take) -> None:
        """A customer's file. Raises Unfetched, or what ``take`` raises."""
        if wanted.channel not in self.channels:
            raise Unfetched(NO_FILES)
        try:
            await self.channels[wanted.channel].fetch(wanted.account, wanted.media_id, take)
        except NotThere as error:
            raise Unfetched(str(error), passing=error.passing, wait=error.wait) from error

    async def run_job(self, held: Held) -> None:
        """Fetches the file of one message."""
        await media.fetch(self, shelf(self.settings), held)

    async def given(self, outgoing: Outgoing) -> Outgoing:
        """The message, whose file its provider has by now. Raises a SendError: nothing was sent."""
        try:
            file = file_of(outgoing)
            return outgoing if file is None else with_id(outgoing, await self._id_of(outgoing, file))
        except SendError:
            raise
        except Exception as error:  # whatever it was, nothing has left, and the outbox must know that
            raise SendError("The file that is to be sent could not be looked up.", PATIENCE) from error

    async def _id_of(self, outgoing: Outgoing, file: File) -> str:
        sha256 = hash_in_hex(file.sha256)
        if sha256 is None:
            raise Refused("There is no file to send.")
        copy = Copy(outgoing.account, sha256, file.mime, outgoing.channel)
        owner, known = await self.db.run("look up an upload", partial(self._known, copy))
        if known is not None:
            return known
        task = self.under_way.get(copy)
        if task is None:
            task = self.under_way[copy] = asyncio.create_task(self._upload(owner, copy, file))
            task.add_done_callback(partial(self._ended, copy))
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        if not done:
            raise SendError(ON_ITS_WAY, PATIENCE)
        return task.result()

    def _ended(self, copy: Copy, task: asyncio.Task[str]) -> None:
        """Also where nobody waits for it any more: what it came to holds for as long as the provider keeps the file."""
        self.under_way.pop(copy, None)
        if not task.cancelled():
            task.exception()  # seen: the next send tries again, and says why it cannot

    async def _known(self, copy: Copy, conn: Conn) -> tuple[int, str | None]:
        owners = await channel_accounts.owners(conn, [copy.account], copy.channel)
        business = owners.get(copy.account)
        if business is None:
            raise Refused("The number is not one of a business any more.")
        since = datetime.now(UTC) - self.channels[copy.channel].keeps
        return business.id, await store.uploaded(conn, business.id, copy, since)

    async def _upload(self, business_id: int, copy: Copy, file: File) -> str:
        path = kept_files.path_of(folder(self.settings), copy.sha256)
        if not await asyncio.to_thread(path.is_file):
            raise Refused("The file that is to be sent is not on this machine any more.")
        media_id = await self.channels[copy.channel].upload(copy.account, path, file)
        await self.db.run("note an upload", lambda conn: store.upload(conn, business_id, copy, media_id))
        return media_id
