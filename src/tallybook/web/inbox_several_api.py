"""One act on several threads, for programs: marked as read, or given to somebody; all of them or none.

Closed, opened and snoozed at once: inbox_states_api.py; labelled: inbox_labels_api.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec
from litestar import post
from litestar.params import JSONBody

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.inbox import naming
from tallybook.inbox.desk_types import Owner
from tallybook.inbox.service import assigning, several, threads

from .answers import Ok, ok
from .inbox_api import CONVERSATIONS, TAGS
from .inbox_assign_api import LARGEST_ACCOUNT
from .inbox_several import show
from .inbox_states_api import Changed
from .needs import Asked, TheApp


class Chosen(msgspec.Struct, frozen=True):
    """Threads by their numbers, 1 to 100."""

    threads: list[int]


class GivenAll(msgspec.Struct, frozen=True):
    """Threads by their numbers, 1 to 100, and whose they are to be: an account's or a team's; neither is nobody's."""

    threads: list[int]
    person: int | None = None
    team: int | None = None


@post(f"{CONVERSATIONS}/mark_read", tags=TAGS, status_code=200)
async def mark_several_read(request: Asked, app: TheApp, data: JSONBody[Chosen]) -> Ok[Changed]:
    """Everything in these threads is read, by the caller and by the team; the threads in which anything waited.

    400 for none of them and for more than 100, 404 where one is outside the business: nothing is done then.
    """
    caller = request.user

    async def work(conn: Conn) -> Sequence[int]:
        chosen = await several.chosen(conn, caller, _numbers(data.threads))
        return await several.mark_read(conn, caller, chosen, partial(show, app))

    changed = await app.db.run("mark threads read", work)
    for number in changed:
        threads.tell_read(caller, number)
    return ok(Changed(list(changed)))


@post(f"{CONVERSATIONS}/assign", tags=TAGS, status_code=200)
async def assign_several(request: Asked, app: TheApp, data: JSONBody[GivenAll]) -> Ok[Changed]:
    """Gives these threads to a person or a team, or to nobody; the threads that were somebody else's before.

    400 for none of them, for more than 100, for both at once and for a person who may not answer; 404 where one of
    them, or the team, is outside the business. Nothing is done then.
    """
    caller = request.user
    require(caller, Right.ANSWER)
    # Whom nothing can be numbered is nobody of whom anybody knows.
    person = data.person if data.person is None or 0 < data.person <= LARGEST_ACCOUNT else 0
    team = data.team if data.team is None else naming.number(str(data.team)) or 0

    async def work(conn: Conn) -> list[int]:
        chosen = await several.chosen(conn, caller, _numbers(data.threads))
        return await assigning.give_all(conn, caller, chosen, Owner(person, team))

    return ok(Changed(await app.db.run("assign threads", work)))


def _numbers(given: Sequence[int]) -> set[int]:
    """What can be no thread's number stands as one that nobody has."""
    return {naming.number(str(one)) or 0 for one in given}


HANDLERS = [mark_several_read, assign_several]
