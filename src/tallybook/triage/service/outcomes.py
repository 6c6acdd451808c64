"""What became of what was put into the outbox: a group or topic that is set, somebody who could not be told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallybook.core.db import Conn
from tallybook.core.messages import Status
from tallybook.core.numbers import number_in
from tallybook.core.outcomes import Became
from tallybook.core.withdrawing import Claimed, Moot
from tallybook.triage.store import homes, looks
from tallybook.triage.store import shown as store
from tallybook.triage.store import told as told_store

from .schedules import Schedules
from .surfaces import GROUP, TOPIC
from .telling import CHANNEL, PEOPLE, PREFIX, audience, unreached

OVERTAKEN = Moot("something else is to be shown by now")
UNREACHED, HOME = "unreached", "home"
FAILED = frozenset({Status.PARKED, Status.DROPPED})


class Key(msgspec.Struct, frozen=True):
    """What a key of ours says: of a group, topic or home the ``number`` and target, else team, kind and recipient."""

    kind: str
    number: int
    target: str


def key_of(dedup_key: str) -> Key | None:
    """None for what is nothing of the rota's. Pure."""
    match dedup_key.removeprefix(PREFIX).split(":") if dedup_key.startswith(PREFIX) else []:
        case [("group" | "topic") as kind, number, target]:
            found = number_in(number)
        case [_, "home" as kind, number, target]:
            found = number_in(number)
        case [number, kind, _, target]:
            found = number_in(number)
        case _:
            return None
    return None if found is None else Key(kind, found, target)


async def told(conn: Conn, schedules: Schedules, business_id: int, became: Sequence[Became]) -> None:
    """Hears from the outbox what became of messages; of the same yes any number of times. See core/outcomes.py."""
    ours = [(key, one) for one in became if one.channel == CHANNEL and (key := key_of(one.dedup_key)) is not None]
    if not ours:
        return
    now = await looks.clock(conn)
    for key, one in sorted(ours, key=lambda pair: pair[1].dedup_key):
        if key.kind in {GROUP, TOPIC}:
            await _shown(conn, business_id, key, one, now)
        elif key.kind == HOME:
            if one.status is Status.PARKED:
                await homes.forget(conn, business_id, key.target, key.number)
        elif one.status is Status.PARKED and key.target.startswith(PEOPLE) and key.kind != UNREACHED:
            to = await audience(conn, schedules, business_id, key.number, now)
            what = await told_store.said(conn, business_id, CHANNEL, one.dedup_key)
            await unreached(conn, to, key.target, one.dedup_key, what)


async def _shown(conn: Conn, business_id: int, key: Key, one: Became, now: datetime) -> None:
    held = await store.hold(conn, business_id, key.kind, key.target)
    if key.kind == TOPIC and (one.is_yes or one.status is Status.UNKNOWN):
        text = await told_store.said(conn, business_id, CHANNEL, one.dedup_key)
        if text:
            await store.put(conn, business_id, key.kind, key.target, text, surely=one.is_yes)
    # What only prod may send is as good as set anywhere else.
    state = "set" if one.is_yes or one.status is Status.CAPTURED else "failed" if one.status in FAILED else None
    if state is not None and held.number == key.number:
        await store.become(conn, business_id, held, state, now)


async def stands(conn: Conn, business_id: int, claimed: Claimed) -> Moot | None:
    """Why a group, topic or home is not to be changed any more: sent late, it would win over what was put since."""
    out = claimed.outgoing
    key = key_of(out.dedup_key) if out.channel == CHANNEL else None
    if key is not None and key.kind == HOME:
        number = await homes.number(conn, business_id, out.account, key.target)
        return None if number == key.number else OVERTAKEN
    if key is None or key.kind not in {GROUP, TOPIC}:
        return None
    held = await store.read(conn, business_id, key.kind, key.target)
    return None if held is not None and held.number == key.number else OVERTAKEN
