"""Who changed what: written in the same transaction as the change, so that there is never one without the other."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec
from psycopg.types.json import Jsonb

from .db import Conn
from .errors import Invalid

# Fields that must never reach the record; a change of one is told as a fact, not with its value.
SECRET = frozenset({"password", "password_hash", "token", "token_hash", "secret"})

RECORD = """
insert into audit_log (business_id, who, account_id, action, subject, subject_id, before, after)
values (%(business_id)s, %(who)s, %(account_id)s, %(action)s, %(subject)s, %(subject_id)s, %(before)s, %(after)s)
"""


class Doer(Protocol):
    """Somebody, or the product by a name of its own, at work in one business."""

    @property
    def business_id(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def account_id(self) -> int | None: ...


class Named(msgspec.Struct, frozen=True):
    """The product at work in a business by a name of its own, or somebody of whom no more is known."""

    business_id: int
    name: str
    account_id: int | None = None


async def record(  # noqa: PLR0917 - the columns of the record, in their order
    conn: Conn,
    business_id: int,
    who: str,
    account_id: int | None,
    action: str,
    subject: str,
    subject_id: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Adds one entry. ``who`` is a name for people; ``account_id`` is None for the product itself or a command.

    ``action`` is ``thing.happened``. Raises Invalid when a secret field is among ``before`` or ``after``.
    """
    _refuse_secrets({*(before or ()), *(after or ())})
    values = {
        "business_id": business_id,
        "who": who[:100],
        "account_id": account_id,
        "action": action,
        "subject": subject,
        "subject_id": subject_id,
        "before": Jsonb(before) if before is not None else None,
        "after": Jsonb(after) if after is not None else None,
    }
    await conn.execute(RECORD, values)


async def record_by(  # noqa: PLR0917 - as record()
    conn: Conn,
    doer: Doer,
    action: str,
    subject: str,
    subject_id: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Adds one entry, as ``record`` does, of what somebody did in the business in which they are."""
    await record(conn, doer.business_id, doer.name, doer.account_id, action, subject, subject_id, before, after)


def _refuse_secrets(fields: set[str]) -> None:
    if leaked := SECRET & fields:
        raise Invalid(f"A secret does not belong in the record: {', '.join(sorted(leaked))}.")


class Entry(msgspec.Struct, frozen=True):
    """One change, as it is shown."""

    id: int
    at: datetime
    who: str
    action: str
    subject: str
    subject_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


RECENT = """
select id, at, who, action, subject, subject_id, before, after
from audit_log
where business_id = %(business_id)s
    and (%(subject)s::text is null or subject = %(subject)s::text)
    and (%(below)s::bigint is null or id < %(below)s::bigint)
order by id desc
limit %(limit)s
"""


async def recent(
    conn: Conn, business_id: int, subject: str | None = None, *, below: int | None = None, limit: int = 50
) -> list[Entry]:
    """The newest entries first; the next page begins below the last id of this one."""
    values = {"business_id": business_id, "subject": subject, "below": below, "limit": limit}
    return [Entry(*row) for row in await (await conn.execute(RECENT, values)).fetchall()]


RECORD_ALL = """
insert into audit_log (business_id, who, account_id, action, subject, subject_id, after)
select %(business_id)s, %(who)s, %(account_id)s, %(action)s, %(subject)s, u.subject_id, %(after)s
from unnest(%(subject_ids)s::text[]) as u (subject_id)
"""


async def record_all(
    conn: Conn, doer: Doer, action: str, subject: str, subject_ids: list[str], after: dict[str, Any]
) -> None:
    """Adds the same entry for each of many subjects, as ``record_by`` does for one. Raises Invalid for a secret."""
    _refuse_secrets({*after})
    values = {
        "business_id": doer.business_id,
        "who": doer.name[:100],
        "account_id": doer.account_id,
        "action": action,
        "subject": subject,
        "subject_ids": subject_ids,
        "after": Jsonb(after),
    }
    await conn.execute(RECORD_ALL, values)
