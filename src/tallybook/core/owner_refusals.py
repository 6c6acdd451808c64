"""What the owner's connections are refused, which pass no pool of ours: recorded in the environment all the same."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from . import violations_kept
from .db import open_database
from .violations import STATES, WATCHED, Violation, of, read

# As psql tells of an error where it is asked for all of it.
STATE = re.compile(r"^(?:psql:.*?:\d+: )?[^\W\d]+:\s+([0-9A-Z]{5}): ", re.MULTILINE)
FIELDS = {name: re.compile(rf"^{name}:  (.*)$", re.MULTILINE) for name in ("TABLE NAME", "CONSTRAINT NAME", "DETAIL")}


@asynccontextmanager
async def recorded(owner_url: str, environment: str, what: str) -> AsyncIterator[None]:
    """While the block lasts, what a constraint refuses in it is recorded as met in ``what``, and raised as it was."""
    try:
        yield
    except WATCHED as error:
        await keep(owner_url, environment, read(error), what)
        raise


async def keep(owner_url: str, environment: str, found: Violation, what: str) -> bool:
    """Records one refusal in the environment's own tables; False where they are not there. Never raises."""
    async with open_database(owner_url, environment, size=1) as db:
        await violations_kept.count(db, violations_kept.Case(found, what, answered=False))
        return not any(db.refusals.due(all_of_them=True))


def sentence(found: Violation, *, kept: bool) -> str:
    """What to tell whoever asked for what was refused as a whole. Pure."""
    row = f"a row with {found.masked}" if found.masked else "one of the rows"
    record = "is recorded there" if kept else "is recorded nowhere else, since it has no tables yet"
    return (
        f"{found.constraint or 'A rule'} on {found.table or 'a table'} refuses {row}. "
        f"The database is as it was, and this {record}."
    )


def told_by_psql(said: str) -> Violation | None:
    """The refusal that ended psql, by what it said of it in full; None where it was something else. Pure."""
    state = STATE.search(said)
    if state is None or state[1] not in STATES:
        return None
    told = {name: match[1] if (match := field.search(said)) else None for name, field in FIELDS.items()}
    return of(state[1], told["TABLE NAME"], told["CONSTRAINT NAME"], told["DETAIL"] or "")
