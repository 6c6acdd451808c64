"""What Slack itself shows of duty: a user group's members and a channel's topic, kept as the state is.

Both are put into the outbox whenever something else is to be shown, and held against Slack now and then. A group has
whoever is on duty in any team with it, and is never emptied. A topic that somebody else wrote is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import unescape
from typing import Any

import msgspec
import structlog
from msgspec import Raw
from prometheus_client import Counter

from tallybook.core import outbox
from tallybook.core.db import Conn
from tallybook.core.messages import Outgoing
from tallybook.triage.blocks import announcing as words
from tallybook.triage.rules_announce import Standing
from tallybook.triage.store import looks, manners
from tallybook.triage.store import shown as store
from tallybook.triage.store.shown import Shown

from .telling import CHANNEL, PREFIX, Audience

GROUP, TOPIC = "group", "topic"

log = structlog.get_logger(__name__)
repaired = Counter(
    "tallybook_rota_repaired_total", "What the check of the rota put right: state, group or topic.", ["what"]
)


async def show(conn: Conn, to: Audience, now: Standing) -> None:
    """Has the team's group and topic say who is on duty. The caller has moved the state on."""
    if to.manner.user_group:
        await _show_group(conn, to)
    if to.manner.topic and to.manner.channel:
        await _show_topic(conn, to, now)


async def _show_group(conn: Conn, to: Audience) -> None:
    # Held before the states are read, so that of two teams which move at once the second counts the first.
    held = await store.hold(conn, to.business_id, GROUP, to.manner.user_group)
    wanted = members(await manners.on_duty_of_group(conn, to.business_id, held.target))
    if not wanted:
        await store.become(conn, to.business_id, held, "nobody", to.now)
    elif wanted != held.wanted or held.state == "nobody":
        await _ask(conn, (to.business_id, to.account), held, wanted, {"members": wanted}, to.now)


async def _show_topic(conn: Conn, to: Audience, now: Standing) -> None:
    held = await store.hold(conn, to.business_id, TOPIC, to.manner.channel)
    text = words.topic(to.manner.topic, to.seen(), list(now.on_duty.values()))
    if held.wanted != [text] and held.state != "theirs":
        await _ask(conn, (to.business_id, to.account), held, [text], _topic(text, held), to.now)


async def _ask(
    conn: Conn, to: tuple[int, str], held: Shown, wanted: Sequence[str], body: dict[str, Any], now: datetime
) -> None:
    """Under the next number that nothing was asked for under: what has another's key would never leave."""
    business_id, account = to
    while True:
        number = await store.want(conn, business_id, held, wanted, now)
        if await outbox.put(conn, business_id, asked(account, held, number, body)):
            return
        log.warning("A number of what Slack shows is not new, and is left out", kind=held.kind, number=number)


def asked(account: str, held: Shown, number: int, body: dict[str, Any]) -> Outgoing:
    """A change of a group or topic as the channel's sender reads it. Those of one target keep their order."""
    key = f"{PREFIX}{held.kind}:{number}:{held.target}"
    return Outgoing(CHANNEL, account, held.target, key, body, topic=f"{held.kind} {held.target}")


def _topic(text: str, held: Shown, was: str | None = None) -> dict[str, Any]:
    """Without anything of ours there, whatever stands there is taken over: who leads asked for the topic.

    What was asked for last may leave, or have left, before anybody knows of it.
    """
    was = was if was is not None else next(iter(held.ours), None)
    perhaps = held.wanted[0] if held.state == "asked" and held.wanted else None
    return {"topic": Raw(msgspec.json.encode({"text": text, "was": was, "perhaps": perhaps}))}


def members(states: Sequence[dict[str, str | None]]) -> list[str]:
    """Who is on duty in any of the teams, once. Pure."""
    return sorted({person for state in states for person in state.values() if person is not None})


def verdict(held: Shown, seen: Sequence[str]) -> str:
    """How it stands with what is wanted by what Slack shows: ``set``, ``drifted`` or ``theirs``. Pure."""
    if held.kind == GROUP:
        return "set" if sorted(seen) == sorted(held.wanted) else "drifted"
    text = _plain(seen[0])
    if text == _plain(held.wanted[0]):
        return "set"
    return "drifted" if text in [_plain(one) for one in held.ours] else "theirs"


def _plain(topic: str) -> str:
    """Slack gives a topic with its &, < and > spelled out."""
    return unescape(topic).strip()


async def judge(conn: Conn, to: tuple[int, str], held: Shown, seen: Sequence[str], now: datetime) -> str:
    """Holds what Slack showed against what is wanted, and asks for that again where it drifted. The verdict.

    ``to`` is the business and its account. What became otherwise since it was read is left to the next time.
    """
    business_id, _ = to
    current = await store.hold(conn, business_id, held.kind, held.target)
    if (current.number, current.state) != (held.number, held.state) or not held.wanted:
        return "changing"
    found = verdict(held, seen)
    # A group that could not be changed waits for a person; a topic of ours was only another one than was expected.
    if found == "drifted" and (held.state != "failed" or held.kind == TOPIC):
        body = {"members": held.wanted} if held.kind == GROUP else _topic(held.wanted[0], held, was=seen[0])
        await _ask(conn, to, held, held.wanted, body, now)
        repaired.labels(held.kind).inc()
    elif found != "drifted":
        await store.become(conn, business_id, held, found, now, seen=True)
    if held.state == "theirs" and found != "theirs":
        await looks.soon(conn, business_id, held.target, now)  # meanwhile others may be on duty
    return found
