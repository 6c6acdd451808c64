"""Who somebody is at this click: from their account, or from Slack by the account that they are linked with."""

from __future__ import annotations

from tallybook.core.callers import RIGHTS_OF_ROLE, Caller, Right, Role, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict
from tallybook.triage.store import people as store

from .doing import Actor, because, tell


async def of_caller(conn: Conn, caller: Caller) -> Actor:
    """Somebody at a page or with a token; they lead where their role and token allow it. Raises NotAllowed."""
    require(caller, Right.SEE)
    slack_id = None
    if caller.account_id is not None:
        slack_id = await store.by_account(conn, caller.business_id, caller.account_id)
    return Actor(caller.business_id, caller.name, slack_id, caller.account_id, leads=may(caller, Right.LEAD))


async def of_slack(conn: Conn, business_id: int, slack_id: str, name: str = "") -> Actor:
    """Somebody in Slack, looked up in the transaction of what they do; a stranger leads nothing."""
    known = await store.by_slack(conn, business_id, slack_id)
    if known is None:
        return Actor(business_id, name or slack_id, slack_id)
    leads = known.role is not None and Right.LEAD in RIGHTS_OF_ROLE[Role(known.role)]
    return Actor(business_id, known.name, slack_id, known.account_id, leads=leads)


async def link(conn: Conn, caller: Caller, slack_id: str, account_id: int | None, *, why: str = "") -> None:
    """Has an account be somebody's of Slack, or with None nobody's. Raises NotAllowed and Conflict."""
    require(caller, Right.ADMINISTER)
    before = (await store.held(conn, caller.business_id, [slack_id])).get(slack_id)
    if not await store.link(conn, caller.business_id, slack_id, account_id):
        raise Conflict("This account is somebody else's, or the person is not known here.")
    actor = because(Actor(caller.business_id, caller.name, None, caller.account_id, leads=True), why)
    was = {"account_id": before.account_id if before is not None else None}
    await tell(conn, actor, "person.linked", "triage person", slack_id, was, {"account_id": account_id})
