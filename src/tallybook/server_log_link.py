"""What other programs were refused, taken from the database server's own log and kept beside what we met ourselves.

Each worker that can see the log reads it. How far it came stands in the database, moved in the transaction that keeps
what was read: whoever is killed, or reads at the same time, takes nothing twice and leaves nothing out.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import structlog
from msgspec.structs import replace

from .app import App
from .core import arbiter_named, server_log_kept, violations, violations_kept
from .core.connection import Conn
from .core.errors import WrongSetup
from .core.heartbeats import beat
from .core.server_log_kept import Here, Refused
from .core.standing import Rhythm, again_and_again
from .doctor.log_following import UNREADABLE, Part, files_of, mark_of, read_on
from .doctor.log_message import NO_ARBITER, Entry, Said, read_message
from .doctor.log_time import moment

NAME = "server-log"
LOOK_SECONDS = 10.0
# A file that does not change is looked at all the same, so that its place is not forgotten while it is there.
SEEN_AGAIN = timedelta(hours=12)
# Within the time for which places are kept, by a day for clocks that differ.
TAKEN = server_log_kept.KNOWN_FOR - timedelta(days=1)
# What we met ourselves is kept where it was met, or was but asked of the server by the doctor.
OURS = "tallybook"
KNOWN_RULES = frozenset(violations.DECLARED)

READ = "The database server's log is read: what other programs are refused is seen."
UNSEEN = "The database server's log cannot be read, so what other programs are refused is not seen."

log = structlog.get_logger()
# When, by whom, and what it names.
Told: TypeAlias = tuple[datetime, Entry, Said]


async def keep_reading(app: App, stop: asyncio.Event) -> None:
    """Reads on in the log's files every few seconds until ``stop`` is set; where none is set up, waits for that."""
    if not app.settings.server_log:
        await stop.wait()
        return
    reader = Reader(app, stop)
    await again_and_again(app.db, Rhythm(stop, LOOK_SECONDS), reader.look, "The database server's log waits")


@dataclass
class Reader:
    """Reads the log's files. ``seen`` is how each looked when nothing was left to read in it."""

    app: App
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    seen: dict[Path, tuple[int, ...]] = field(default_factory=dict)
    says: str = READ

    async def look(self) -> None:
        """Takes what is new in all files, and says how that went; a file that cannot be read stops no other."""
        faults: list[str] = []
        try:
            files = await asyncio.to_thread(files_of, self.app.settings.server_log)
        except WrongSetup as error:
            files = []
            faults.append(str(error))
        self.seen = {file: self.seen[file] for file in files if file in self.seen}
        for file in files:
            try:
                await self._read(file)
            except FileNotFoundError:  # rotated away a moment ago; it is found by its new name at the next look
                self.seen.pop(file, None)
            except WrongSetup as error:
                faults.append(str(error))
            except UNREADABLE as error:
                faults.append(f"{file}: {getattr(error, 'strerror', None) or 'it is damaged'}")
        await self._say(len(files), faults)

    async def _say(self, files: int, faults: Sequence[str]) -> None:
        says = "; ".join(faults) or READ
        if faults and says != self.says:
            log.warning("The database server's log cannot be read", reason=says)
        self.says = says
        details = {"files": files, "host": socket.gethostname(), **({"problem": UNSEEN} if faults else {"says": READ})}
        await self.app.db.run("say that the log is read", lambda conn: beat(conn, NAME, details))

    async def _read(self, file: Path) -> None:
        looks = await asyncio.to_thread(_looks, file, datetime.now(UTC))
        if self.seen.get(file) == looks:
            return
        mark = await asyncio.to_thread(mark_of, file)
        while mark is not None and not self.stop.is_set() and await self._took_some(file, mark):
            pass
        if not self.stop.is_set():
            self.seen[file] = looks

    async def _took_some(self, file: Path, mark: str) -> bool:
        """Takes a part of a file; whether there may be more. Where another worker took it, it is asked anew."""
        known = await self.app.db.run("how far the log was read", lambda conn: server_log_kept.position(conn, mark))
        start = known or 0
        part = await asyncio.to_thread(read_on, file, start)
        if part.broken:
            log.warning("Records of the database server's log cannot be read", file=file.name, records=part.broken)
        refused = await self._refused(part)
        taken = await self.app.db.run(
            "keep what the log tells", lambda conn: server_log_kept.keep(conn, mark, start, part.end, refused)
        )
        if taken:
            _count(refused)
        return part.end > start or not taken

    async def _refused(self, part: Part) -> list[Refused]:
        told = list(_told(part.entries, datetime.now(UTC)))
        if not told:
            return []

        async def find(conn: Conn) -> Here:
            rules = {name for _, _, said in told if (name := violations.whole(said.constraint))}
            tables = {_table(said)[1] for _, _, said in told}
            return await server_log_kept.here(conn, rules, tables, {entry.user for _, entry, _ in told})

        refused = counted(told, await self.app.db.run("whose the refused rows are", find))
        return [
            replace(one, existing=await violations_kept.row_in_the_way(self.app.db, one.violation)) for one in refused
        ]


def _looks(file: Path, now: datetime) -> tuple[int, ...]:
    found = file.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, int(now.timestamp() // SEEN_AGAIN.seconds)


def _told(entries: Iterable[Entry], now: datetime) -> Iterable[Told]:
    """What others met, with what each record names; without what is so old that it may have been taken before."""
    for entry in entries:
        at = moment(entry.timestamp)
        if at is None or at < now - TAKEN or entry.application_name.split(" ")[0] == OURS:
            continue
        if said := read_message(entry.state_code, entry, KNOWN_RULES):
            yield at, entry, said


def _table(said: Said) -> tuple[str, str]:
    """The schema, empty where none is named, and the table, empty likewise."""
    schema, _, table = (said.table or "").rpartition(".")
    return schema, violations.whole(table) or ""


def counted(told: Iterable[Told], here: Here) -> list[Refused]:
    """What concerns the environment's own tables, one for each sort, program and hour. Pure."""
    found: dict[tuple[object, ...], Refused] = {}
    for each in told:
        one = _of(each, here)
        if one is None:
            continue
        what = one.violation
        sort = (what.sqlstate, what.table, what.constraint, one.declared, one.program, one.at.strftime("%Y%m%d%H"))
        known = found.get(sort)
        found[sort] = one if known is None else replace(one, times=known.times + 1)
    return list(found.values())


def _of(told: Told, here: Here) -> Refused | None:
    """A refusal of ours; None for one in another database, another schema, or on a table that is none of ours."""
    at, entry, said = told
    schema, table = _table(said)
    if entry.dbname != here.database or (schema or here.schema) != here.schema or entry.user in here.elsewhere:
        return None
    name = violations.whole(said.constraint)
    places = here.rules.get(name or "", ())
    place = next((one for one in places if one.table == table), places[0] if len(places) == 1 else None)
    if place is None and table not in here.tables and not (entry.state_code == NO_ARBITER and not table):
        return None
    if entry.state_code == NO_ARBITER and said.columns:
        name = arbiter_named.target(said.columns)
    found = violations.of(entry.state_code, place.table if place else table or None, name, entry.detail)
    columns = tuple(found.key) or (place.columns if place else said.columns)
    return Refused(found, violations.is_declared(name, columns), entry.application_name or "(no name)", at, 1)


def _count(refused: Iterable[Refused]) -> None:
    for one in refused:
        found = one.violation
        violations_kept.seen.labels(found.table or "unknown", found.constraint or "unknown").inc(one.times)
        log.error("constraint violated", sqlstate=found.sqlstate, table=found.table, constraint=found.constraint,
                  declared=one.declared, place="server log", program=one.program, times=one.times)  # fmt: skip
