"""Reconciling a supervisor's list with the registers, and adding what is missing: by hand, with a reason, once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta

import msgspec

from tallybook.core import audit, ingest
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.core.ingest import Absorbed
from tallybook.core.messages import Identity, Incoming
from tallybook.core.sheets import Sheet, read_sheets
from tallybook.core.wakeups import wake_up
from tallybook.monitor import rules
from tallybook.monitor.store import drops as drop_store
from tallybook.monitor.store import reconcile as store
from tallybook.monitor.store.filing import MANUAL
from tallybook.monitor.store.reconcile import Kept
from tallybook.monitor.types import Filed, Post, Project

from . import desks, registers
from .comparison import Comparison, Place, compare, place_of
from .filing import Desk
from .refiling import Person, reason_of
from .supervisor_list import Entry, Given, SupervisorList, read_list

TOPIC = "monitor"
NOON = time(12)
MAX_NAME = 200


class Asked(msgspec.Struct, frozen=True):
    """A file as somebody gave it, with what stands in for what it does not say."""

    name: str
    data: bytes
    given: Given = Given()


class Added(msgspec.Struct, frozen=True):
    """What became of a list's missing drops, each as (drop number, project); ``known`` of them were there by then."""

    filed: Filed
    known: int

    @property
    def new(self) -> list[tuple[str, str]]:
        return [*self.filed.created, *self.filed.resubmitted, *self.filed.history, *self.filed.activated]


async def sheets_of(asked: Asked) -> list[Sheet]:
    """The file's sheets, read in a thread. Raises Invalid or TooLarge."""
    return await asyncio.to_thread(read_sheets, asked.data)


async def keep(conn: Conn, business: Business, asked: Asked, sheets: Sequence[Sheet], who: Person) -> int:
    """Reads a list and keeps it; returns its number. The same file, asked about alike, keeps its number.

    Raises Invalid where the file holds no list.
    """
    desk = await desks.desk_of(conn, business)
    today = rules.business_date(datetime.now(UTC), business.zone)
    projects = list(desk.projects.values())
    read = await asyncio.to_thread(read_list, sheets, projects, asked.given, today)  # thousands of rows take a while
    same = hashlib.sha256(asked.data + b"\0" + msgspec.json.encode(asked.given)).digest()
    name = asked.name.replace("\0", "")[:MAX_NAME] or "list"
    return await store.keep(conn, business.id, same, name, who.name, msgspec.json.encode(read))


async def recent(conn: Conn, business: Business) -> list[Kept]:
    """The lists given last, without what is in them."""
    return await store.recent(conn, business.id)


async def compared(conn: Conn, business: Business, number: int) -> tuple[Kept, Comparison]:
    """A kept list as it stands against the registers now. Raises NotFound outside the business."""
    kept = await store.find(conn, business.id, number)
    if kept is None:
        raise NotFound("There is no such list. Lists are kept for 90 days.")
    desk = await desks.desk_of(conn, business)
    return kept, await _compare(conn, business, desk, msgspec.convert(kept.list, SupervisorList))


async def _compare(conn: Conn, business: Business, desk: Desk, read: SupervisorList) -> Comparison:
    projects = {project.name: project for project in desk.projects.values()}
    named = sorted({entry.project for entry in read.entries} & projects.keys())
    drops = sorted({entry.drop_number for entry in read.entries})
    held = await registers.watched(conn, business)
    known = await store.of_drops(conn, business.id, drops, held.spaces, held.marketing)
    days = [entry.day for entry in read.entries]
    posted = []
    if days:
        start = datetime.combine(min(days), time(), business.zone)
        end = datetime.combine(max(days) + timedelta(days=1), time(), business.zone)
        posted = await store.of_days(conn, business.id, start, end, named)
    refused = await store.refused(conn, business.id, drops, named)
    return compare(read, projects, known, posted, refused, business.zone)


async def add_missing(conn: Conn, business: Business, number: int, who: Person, reason: str) -> Added:
    """Files each missing drop of a list through the desk, as a post that a person said for somebody else.

    The drops are locked before anybody looks what is missing: of two who add at once, one adds and the other finds
    them there. Raises Invalid without a reason, NotFound outside the business.
    """
    why = reason_of(reason)
    kept = await store.find(conn, business.id, number)
    if kept is None:
        raise NotFound("There is no such list. Lists are kept for 90 days.")
    desk = await desks.desk_of(conn, business)
    read = msgspec.convert(kept.list, SupervisorList)
    projects = {project.name: project for project in desk.projects.values()}
    now = datetime.now(UTC)
    wanted = [_post(entry, projects, business, now) for entry in read.entries if entry.project in projects]
    if wanted:
        await drop_store.lock_of(conn, business.id, wanted)
    comparison = await _compare(conn, business, desk, read)
    entries = _each_once(comparison.addable, projects)
    incomings = [_message(_post(entry, projects, business, now), entry) for entry in entries]
    absorbed: Absorbed[Filed] = await ingest.absorb(conn, business, incomings, desk)
    filed = _together(absorbed.facts)
    told = {"reason": why, "list": number, "file": kept.file_name}
    did = [*filed.created, *filed.resubmitted, *filed.history, *filed.activated, *filed.invalid, *filed.held]
    drops = sorted({drop for drop, _ in did})
    await audit.record_all(conn, who.within(business), "drop.added_by_hand", "drop", drops, told)
    await store.sign_reviews(conn, business.id, [(projects[name].space, drop) for drop, name in filed.created])
    if filed.activated:
        await store.sign_activations(conn, business.id, [(name, drop) for drop, name in filed.activated])
    await store.added(conn, business.id, number, who.name, why)
    done = Added(filed, len(comparison.both) + absorbed.known)
    counted: dict[str, object] = {"reason": why, "file": kept.file_name, "added": len(done.new)}
    counted |= {"refused": len(filed.invalid), "held": len(filed.held)}
    await audit.record(
        conn, business.id, who.name, who.account_id, "list.added", "reconciliation", str(number), None, counted
    )
    await wake_up(conn, TOPIC, business.id)
    return done


def _each_once(entries: Sequence[Entry], projects: Mapping[str, Project]) -> list[Entry]:
    """Each drop where it counts once, by its first day: a drop that nobody had cannot have been posted again. Pure."""
    first: dict[tuple[Place, str], Entry] = {}
    for entry in sorted(entries, key=lambda one: (one.day, one.at or NOON)):
        first.setdefault((place_of(projects[entry.project]), entry.drop_number), entry)
    return list(first.values())


def _post(entry: Entry, projects: Mapping[str, Project], business: Business, now: datetime) -> Post:
    """A line as the post that it stands for. A day without a time counts as its noon, and never as later than now."""
    project = projects[entry.project]
    said_at = min(datetime.combine(entry.day, entry.at or NOON, business.zone), now)
    return Post(
        message_id=0, fresh=True, drop_number=entry.drop_number, project=project, said_at=said_at, phone=None,
        bridge=MANUAL, chat=project.group,
    )  # fmt: skip


def _message(post: Post, entry: Entry) -> Incoming:
    """The message that a line becomes, so that every post has one. One drop on one day is one message, whoever adds."""
    return Incoming(
        channel=MANUAL,
        account=MANUAL,
        scope=post.project.group,
        external_id=f"{entry.drop_number}@{entry.day.isoformat()}",
        chat=post.project.group,
        sender=Identity(MANUAL),
        said_at=post.said_at,
        text=entry.drop_number,
        content_hash=hashlib.sha256(entry.drop_number.encode()).digest()[:16],
        kind=MANUAL,
    )


def _together(parts: Sequence[Filed]) -> Filed:
    return Filed(*([entry for part in parts for entry in getattr(part, name)] for name in Filed.__struct_fields__))
