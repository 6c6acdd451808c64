"""Teams: made, named, filled with people, and taken away by who leads."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core import audit
from tallybook.core.callers import RIGHTS_OF_ROLE, Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.wakeups import wake_up
from tallybook.inbox import desk_rules
from tallybook.inbox.desk_types import Member, Team
from tallybook.inbox.store import teams as store

from .filing import TOPIC

ANSWERING = [role for role, rights in RIGHTS_OF_ROLE.items() if Right.ANSWER in rights]


async def members(conn: Conn, caller: Caller) -> list[Member]:
    """Everybody who may answer customers, by name. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.members(conn, caller.business_id, ANSWERING)


async def listed(conn: Conn, caller: Caller) -> list[Team]:
    """All teams by name. Raises NotAllowed."""
    return await store.listed(conn, caller.business_id, await members(conn, caller))


async def add(conn: Conn, caller: Caller, name: str, accounts: Sequence[int] = ()) -> int:
    """Makes a team; its number. Raises NotAllowed, Invalid, Conflict for a name that one has, NotFound for a person."""
    require(caller, Right.LEAD)
    name = desk_rules.named(name, desk_rules.LONGEST_TEAM)
    who = await _known(conn, caller, accounts)
    number = await store.add(conn, caller.business_id, name, desk_rules.folded(name))
    if number is None:
        raise Conflict("There is a team of this name already.")
    await store.set_members(conn, caller.business_id, number, who)
    await _tell(conn, caller, "team.made", number, None, {"name": name, "members": who})
    return number


async def change(conn: Conn, caller: Caller, number: int, name: str, accounts: Sequence[int]) -> None:
    """Gives a team this name and just these people. Raises NotAllowed, Invalid, NotFound, Conflict."""
    require(caller, Right.LEAD)
    name = desk_rules.named(name, desk_rules.LONGEST_TEAM)
    who = await _known(conn, caller, accounts)
    before = await _held(conn, caller, number)
    wanted: dict[str, object] = {"name": name, "members": who}
    if before.name != name and not await store.rename(conn, caller.business_id, number, name, desk_rules.folded(name)):
        raise Conflict("There is a team of this name already.")
    await store.set_members(conn, caller.business_id, number, who)
    was = _told(before)
    if was != wanted:
        await _tell(conn, caller, "team.changed", number, was, wanted)


async def remove(conn: Conn, caller: Caller, number: int) -> int:
    """Takes a team away; how many threads are no team's by that. Who has one of them keeps it.

    Raises NotAllowed and NotFound.
    """
    require(caller, Right.LEAD)
    before = await _held(conn, caller, number)
    freed = await store.remove(conn, caller.business_id, number)
    await _tell(conn, caller, "team.removed", number, _told(before), {"threads": freed})
    return freed


async def one(conn: Conn, caller: Caller, number: int) -> Team:
    """Raises NotAllowed and NotFound."""
    found = next((team for team in await listed(conn, caller) if team.id == number), None)
    if found is None:
        raise NotFound("There is no such team.")
    return found


def _told(team: Team) -> dict[str, object]:
    return {"name": team.name, "members": sorted(one.account_id for one in team.members)}


async def _held(conn: Conn, caller: Caller, number: int) -> Team:
    if await store.lock(conn, caller.business_id, number) is None:
        raise NotFound("There is no such team.")
    return await one(conn, caller, number)


async def _known(conn: Conn, caller: Caller, accounts: Sequence[int]) -> list[int]:
    wanted = sorted(set(accounts))
    there = {member.account_id for member in await members(conn, caller)}
    if not set(wanted) <= there:
        raise Invalid("Only who may answer customers can be in a team.")
    return wanted


async def _tell(
    conn: Conn, caller: Caller, action: str, number: int, before: dict[str, object] | None, after: dict[str, object]
) -> None:
    await audit.record_by(conn, caller, action, "team", str(number), before, after)
    await wake_up(conn, TOPIC, caller.business_id)
