"""Who changes a team's facts, and how every change is begun and told."""

from __future__ import annotations

from typing import Any

import msgspec

from tallybook.core import audit
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotAllowed, NotFound
from tallybook.core.wakeups import wake_up
from tallybook.triage.store import facts as store
from tallybook.triage.types import Facts

TOPIC = "triage"
LONGEST_REASON = 500


class Actor(msgspec.Struct, frozen=True):
    """Somebody known who does something now. ``leads`` was looked up for this click, never for an earlier one.

    ``slack_id`` is None for somebody who is not on Slack, ``account_id`` for who has no account. ``why`` they do it
    stands in the record with whatever they change.
    """

    business_id: int
    name: str
    slack_id: str | None = None
    account_id: int | None = None
    leads: bool = False
    why: str = ""

    @property
    def key(self) -> str:
        """By whom something was asked, as it is kept. No Slack id holds a blank, so that nobody passes for another."""
        if self.slack_id is not None:
            return self.slack_id
        return f"account {self.account_id}" if self.account_id is not None else f"by {self.name}"[:50]


def because(actor: Actor, why: object) -> Actor:
    """Somebody with the reason that they gave, as far as it is one."""
    return msgspec.structs.replace(actor, why=why.strip()[:LONGEST_REASON] if isinstance(why, str) else "")


def require_lead(actor: Actor) -> None:
    """Raises NotAllowed."""
    if not actor.leads:
        raise NotAllowed("You may not do this. Only who leads the team may.")


def reasoned(reason: str) -> str:
    """Why something is changed, which must be said. Raises Invalid."""
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise Invalid(f"Say why, in at most {LONGEST_REASON} characters.")
    return reason


async def held(conn: Conn, actor: Actor, team_id: int) -> Facts:
    """Holds a team against other changes until the transaction ends; its facts, with their new version.

    Raises NotFound.
    """
    facts = await store.read(conn, actor.business_id, team_id) if await turned(conn, actor, team_id) else None
    if facts is None:
        raise NotFound("There is no such team.")
    return facts


async def held_as_is(conn: Conn, actor: Actor, team_id: int) -> Facts:
    """Holds a team as ``held``, for who may find nothing to change: its version moves by ``turned`` alone.

    Raises NotFound.
    """
    if not await store.hold(conn, actor.business_id, team_id):
        raise NotFound("There is no such team.")
    return await seen(conn, actor, team_id)


async def turned(conn: Conn, actor: Actor, team_id: int) -> bool:
    return await store.turn(conn, actor.business_id, team_id)


async def seen(conn: Conn, actor: Actor, team_id: int) -> Facts:
    """The team's facts, for looking only. Raises NotFound."""
    facts = await store.read(conn, actor.business_id, team_id)
    if facts is None:
        raise NotFound("There is no such team.")
    return facts


async def tell(  # noqa: PLR0917 - as audit.record
    conn: Conn,
    actor: Actor,
    action: str,
    subject: str,
    subject_id: object,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    """Keeps who did what and why, and tells open pages."""
    if actor.why:
        after = {"reason": actor.why} | (after or {})
    who = (actor.business_id, actor.name, actor.account_id)
    await audit.record(conn, *who, action, subject, str(subject_id), before, after)
    await wake_up(conn, TOPIC, actor.business_id)


def plain(value: Any) -> dict[str, Any]:
    """A struct as the record keeps it."""
    found: dict[str, Any] = msgspec.to_builtins(value)
    return found
