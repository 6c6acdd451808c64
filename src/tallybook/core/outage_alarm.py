"""The alarm that the database is away: told directly, since the outbox is in the database.

A file in the data directory, under a lock that the kernel drops with its holder, stands in for the table: of all
processes that share the directory one tells, once, and one tells the end. A process that is killed between a server's
yes and the file may cause one repeat, under the same key. Where the disk takes no file, each process remembers for
itself and tells, under the same key likewise: a full disk is what may have stopped the database.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from .alarm_letters import Event, Target
from .alarms import Alarm, Step, Terms, Trouble, step
from .businesses import Business
from .channel import OutcomeUnknown, SendError
from .file_lock import lock_file, try_lock
from .messages import Outgoing

NAME = "database"
SAYS = "The database cannot be reached. Nothing is lost: work waits until it is back."
AGAIN = timedelta(seconds=10)
# Shorter than the usual quiet: whoever can be reached again hears that it began before its end is told.
LONGEST = timedelta(minutes=5)

# What could not be written, by the file's path.
_unwritten: dict[Path, Kept] = {}

log = structlog.get_logger(__name__)


class Kept(msgspec.Struct, frozen=True):
    """What the file holds. ``business`` is whose alarms these are, learnt while the database was there.

    ``event`` is being told to ``pending``; ``told`` have heard of it. ``judged_at``: when that look began by which the
    last step was taken.
    """

    business: Business | None = None
    alarm: Alarm = Alarm(NAME)
    event: Event | None = None
    begun_at: datetime | None = None
    told_at: datetime | None = None
    ended_at: datetime | None = None
    pending: tuple[Target, ...] = ()
    told: tuple[Target, ...] = ()
    tries: int = 0
    not_before: datetime | None = None
    judged_at: datetime | None = None


@dataclass(frozen=True)
class Telling:
    """How people are told: who, by whom a letter is written and sent, and who keeps the history of what is over.

    ``business`` is None where it is not known, because the database was away from the first.
    """

    business: Business | None
    targets: Sequence[Target]
    write: Callable[[Kept, Target], Outgoing]
    send: Callable[[Outgoing], Awaitable[str]]
    keep: Callable[[Kept], Awaitable[None]]


async def look(path: Path, now: datetime, terms: Terms, *, away: bool, telling: Telling) -> None:
    """Takes the next step of the outage's alarm, unless another process is at it. ``now`` is when the look began.

    A look may last: one that saw what is no longer so, since another that began later has taken a step, takes none.
    """
    with _turn(path) as is_ours:
        if not is_ours:
            return
        kept = _known(path)
        if telling.business is not None and telling.business != kept.business:
            kept = msgspec.structs.replace(kept, business=telling.business)
            _keep(path, kept)
        trouble = Trouble(NAME, SAYS) if away else None
        taken = None if _is_overtaken(kept, now) else step(kept.alarm, trouble, now, terms)
        if taken is not None:
            kept = msgspec.structs.replace(advanced(kept, taken, telling.targets), judged_at=now)
            if taken.tell == "ended":
                await telling.keep(kept)
            _keep(path, kept)
        await _tell(path, kept, now, telling)


@contextmanager
def _turn(path: Path) -> Iterator[bool]:
    """Whether it is our turn. Where no lock can be had, it is everybody's: rather twice than never."""
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(lock_file(path.with_suffix(".lock")))
        except OSError:
            yield True
            return
        yield try_lock(lock, fcntl.LOCK_EX)


def _is_overtaken(kept: Kept, now: datetime) -> bool:
    # What lies further off was written by a clock that was ahead.
    return kept.judged_at is not None and now < kept.judged_at <= now + LONGEST


def _known(path: Path) -> Kept:
    """What was remembered, unless a neighbour who could write has got further."""
    written, own = read(path), _unwritten.get(path)
    return own if own is not None and own.alarm.version >= written.alarm.version else written


def _keep(path: Path, kept: Kept) -> None:
    try:
        write(path, kept)
    except OSError as error:
        if path not in _unwritten:
            log.warning("Where an alarm stands cannot be written down; it is remembered", error=error.strerror)
        _unwritten[path] = kept
    else:
        _unwritten.pop(path, None)


def advanced(kept: Kept, taken: Step, targets: Sequence[Target]) -> Kept:
    """What is kept after a step. Whoever was to hear of the beginning hears of the end, heard or not. Pure."""
    kept = msgspec.structs.replace(kept, alarm=taken.alarm)
    if taken.tell is None:
        return kept
    begun = taken.tell == "begun"
    return msgspec.structs.replace(
        kept,
        event=taken.tell,
        begun_at=taken.begun_at,
        told_at=taken.alarm.told_at if begun else kept.told_at,
        ended_at=None if begun else taken.alarm.well_since,
        pending=tuple(targets) if begun else (*kept.told, *kept.pending),
        told=(),
        tries=0,
        not_before=None,
    )


async def _tell(path: Path, kept: Kept, now: datetime, telling: Telling) -> None:
    """Tells everybody who has not heard yet; each yes is written down before the next is tried."""
    # No pause is longer: what lies further off was written by a clock that was ahead.
    waits = kept.not_before is not None and now < kept.not_before <= now + LONGEST
    if not kept.pending or waits:
        return
    for target in kept.pending:
        if not await _sent(telling, kept, target):
            continue
        waiting = tuple(one for one in kept.pending if one != target)
        kept = msgspec.structs.replace(kept, pending=waiting, told=(*kept.told, target))
        _keep(path, kept)
    if kept.pending:
        pause = min(LONGEST, AGAIN * 2 ** min(kept.tries, 10))
        _keep(path, msgspec.structs.replace(kept, tries=kept.tries + 1, not_before=now + pause))


async def _sent(telling: Telling, kept: Kept, target: Target) -> bool:
    """Whether that was all for this target: it was sent, may have been sent, or never will be."""
    try:
        await telling.send(telling.write(kept, target))
    except OutcomeUnknown as error:
        log.warning("An alarm may or may not have been sent", channel=target.channel, reason=str(error))
    except SendError as error:
        log.warning("An alarm was not sent", channel=target.channel, reason=str(error))
        return error.permanent
    return True


def read(path: Path) -> Kept:
    """What the file holds; nothing where there is none, or none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError):
        return Kept()


def write(path: Path, kept: Kept) -> None:
    """Replaces the file by a whole one, or not at all."""
    draft = path.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(kept))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def number_of(kept: Kept) -> str:
    """What tells one outage from another in the keys of its messages."""
    return (kept.begun_at or datetime.min.replace(tzinfo=UTC)).strftime("%Y%m%dT%H%M%S")
