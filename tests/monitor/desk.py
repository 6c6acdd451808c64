"""The monitor's world: its projects, and messages said in their groups."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from tallybook.core import ingest
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.ingest import Absorbed
from tallybook.core.messages import Identity, Incoming
from tallybook.monitor.rules import compile_pattern
from tallybook.monitor.service.filing import Desk
from tallybook.monitor.store import projects as project_store
from tallybook.monitor.types import Filed, Kind, Project

SAST = timezone(timedelta(hours=2))
ANA, BEN = "+27820000001", "+27820000002"
_numbers = itertools.count(1)


def project(name: str, **overrides: object) -> Project:
    number = sum(map(ord, name))
    known = {
        "name": name, "group": f"1203630000{number:08d}@g.us", "kind": Kind.QA, "space": name, "validated": False,
        "pattern": compile_pattern(None),
    }  # fmt: skip
    return Project(**(known | overrides))


LAWLEY = project("Lawley", space="fibre")
MOHADIN = project("Mohadin", space="fibre")
MAMELODI = project("Mamelodi", space="fibre")
VELO_TEST = project("Velo Test")
MARKETING = project("Marketing Activations", kind=Kind.MARKETING)
PROJECTS = (LAWLEY, MOHADIN, MAMELODI, VELO_TEST, MARKETING)


def desk(*projects: Project) -> Desk:
    return Desk({one.group: one for one in projects or PROJECTS}, ZoneInfo("Africa/Johannesburg"))


def at(text: str) -> datetime:
    """``2025-12-02 11:28``, by the clocks of Johannesburg."""
    return datetime.fromisoformat(text).replace(tzinfo=SAST)


def said(group: Project, text: str, when: str = "2025-12-02 08:00", **overrides: object) -> Incoming:
    """A message in a project's group."""
    known = {
        "channel": "bridge", "account": "primary", "scope": group.group, "chat": group.group,
        "external_id": f"3EB0{next(_numbers):08X}", "sender": Identity(ANA, ANA), "said_at": at(when), "text": text,
        "content_hash": hashlib.sha256(text.encode()).digest()[:16],
    }  # fmt: skip
    return Incoming(**(known | overrides))


def again(message: Incoming, text: str) -> Incoming:
    """The same message with another text: an edit."""
    return Incoming(
        channel=message.channel, account=message.account, scope=message.scope, external_id=message.external_id,
        chat=message.chat, sender=message.sender, said_at=message.said_at, text=text,
        content_hash=hashlib.sha256(text.encode()).digest()[:16],
    )  # fmt: skip


async def open_for(conn: Conn, business: Business, *projects: Project) -> Desk:
    """A desk whose projects the database knows."""
    await project_store.mirror(conn, business.id, projects or PROJECTS)
    return desk(*projects)


async def file(conn: Conn, business: Business, messages: Sequence[Incoming], at_desk: Desk | None = None) -> Filed:
    """Absorbs messages as one batch; what they did, all batches' parts in one."""
    absorbed: Absorbed[Filed] = await ingest.absorb(conn, business, messages, (at_desk or desk()))
    assert absorbed.parked == 0
    parts = absorbed.facts
    return Filed(*([entry for part in parts for entry in getattr(part, name)] for name in Filed.__struct_fields__))
