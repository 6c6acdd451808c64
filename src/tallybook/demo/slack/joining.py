"""The demo's rota in the demo's Slack: whose the workspace is, where the rota is told, and who leads there."""

from __future__ import annotations

from tallybook.core import channel_accounts
from tallybook.core import people as accounts
from tallybook.core.businesses import Business
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.db import Conn
from tallybook.core.sealing import Seal
from tallybook.demo import rota
from tallybook.triage.service import actors, manners
from tallybook.triage.service.doing import Actor
from tallybook.triage.types import Manner

from .playing import LEADS, ON_DUTY, TRIAGE
from .workspace import TEAM

CHANNEL = "slack"
LEAD = rota.PEOPLE[-1]  # whom the demo's admin is in Slack


async def join(conn: Conn, seal: Seal, business: Business, admin: str, team: int | None) -> None:
    """Gives the business the workspace, once; and a ``team`` that was just made its channels there."""
    caller = accounts.command_line(business.id)
    known = {(one.channel, one.account) for one in await channel_accounts.listed(conn, business.id)}
    if (CHANNEL, TEAM) not in known:
        await channel_accounts.add(conn, seal, caller, NewAccount(CHANNEL, TEAM, "The demo's Slack"))
    if team is None:
        return
    lead = Actor(business.id, "Demo", leads=True)
    await manners.change(conn, lead, team, Manner(TRIAGE, LEADS, ON_DUTY, "On duty: {people}"))
    account = next((one.account_id for one in await accounts.people(conn, business.id) if one.name == admin), None)
    if account is not None:
        await actors.link(conn, caller, LEAD.slack_id, account)
