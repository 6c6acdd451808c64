"""Whatever stands in whichever column of production, no phone and no name of it stands in a masked copy."""

from __future__ import annotations

import re

import psycopg
import pytest
from psycopg import errors, sql

from tallybook.core import environment, environment_copying
from tallybook.core.businesses import Business
from tallybook.core.environment_copying import Request
from tallybook.core.environment_masking import Kind, Masks
from tallybook.core.environment_rows import kind_of_type
from tallybook.core.environment_tables import TABLES
from tests.core import test_environment_copying as copying
from tests.core.test_environment_copying import MASKS, SINCE, dev, home, rows

__all__ = ["dev", "home"]

# What the registers are kept by, and what an admin named in the projects file: a copy without it would be of nothing.
KEPT_BY = frozenset({
    "businesses.name", "businesses.time_zone", "businesses.locale", "monitor_projects.name",
    "monitor_projects.drop_space", "monitor_projects.pattern", "audit_log.subject", "audit_log.subject_id",
}) | {f"{one.table}.{column}" for one in TABLES for column in ("project", "space", "drop_number")}  # fmt: skip
COLUMNS = """
select attname::text, format_type(atttypid, null) from pg_attribute
where attrelid = to_regclass(%(table)s) and attnum > 0 and not attisdropped
"""
# Each row its own, since a key may be over the column.
SAID = "'accepted by Ana Mokoena: Piet 0820000012, +27 82 000 0012 ' || left(md5(random()::text), 6)"
SHORT = "'Ana 0820000012'"
OWN = "'Ana 0820000012' || translate(ctid::text, '(,)', '')"
GROUP = "'27820000012-1418923424@g.us'"
FILLED_WITH = {"jsonb": ("jsonb_build_object('Piet 0820000012', {}, 'n', 27820000012)",), "text[]": ("array[{}]",)}
REFUSED = (errors.CheckViolation, errors.ForeignKeyViolation, errors.GeneratedAlways)
PERSONAL = re.compile(r"Ana\b|Mokoena|Piet|820000012|82 000 0012")


def fill(url: str) -> list[str]:
    """Puts a name and phones into every column of every copied table that takes them; returns the columns."""
    done = []
    with psycopg.connect(url) as conn:
        for copied in TABLES:
            for column, kind in conn.execute(COLUMNS, {"table": copied.table}).fetchall():
                name = f"{copied.table}.{column}"
                if kind_of_type(kind) is not Kind.PLAIN and kind != "bytea" and name not in KEPT_BY:
                    values = [GROUP] if column in {"scope", "chat", "group_jid"} else [SAID, OWN, SHORT]
                    wrapped = FILLED_WITH.get(kind, ("{}",))[0]
                    if any(_put(conn, copied.table, column, wrapped.format(value)) for value in values):
                        done.append(name)
    return done


def _put(conn: psycopg.Connection, table: str, column: str, value: str) -> bool:
    """Whether the database takes it: a column that is held to a few words says no."""
    statement = sql.SQL("update {} set {} = {}").format(
        sql.Identifier(table),
        sql.Identifier(column),
        sql.SQL(value),
    )
    try:
        with conn.transaction():
            conn.execute(statement)
    except (*REFUSED, errors.StringDataRightTruncation, errors.UniqueViolation):
        return False
    return True


@pytest.mark.parametrize("pattern", [None, r"\d{6,10}"])
async def test_no_column_of_any_table_lets_a_phone_or_a_name_through(
    home: Business, fresh_owner_url: str, pattern: str | None
) -> None:
    await environment.create(fresh_owner_url, "dev", {})
    done = fill(fresh_owner_url)
    assert {"valid_drop_numbers.sync_source", "messages.text", "audit_log.after", "qa_photo_reviews.comment"} <= set(
        done
    )
    masks = Masks(b"k", [re.compile(pattern)] if pattern else [])
    await environment_copying.copy(fresh_owner_url, Request("dev", SINCE, masks))
    for copied in TABLES:
        for (row,) in await rows(fresh_owner_url, f"select to_jsonb(t)::text from {copied.table} t"):
            assert PERSONAL.search(row) is None, (copied.table, row)


async def test_a_group_that_dev_reads_keeps_its_address(home: Business, fresh_owner_url: str) -> None:
    """Else what dev reads itself and what was copied would be of two groups."""
    made = "27820000001-1418923424@g.us"
    await environment.create(fresh_owner_url, "dev", {})
    await copying.change(fresh_owner_url, f"update messages set chat = '{made}'", "public")
    await copying.copy(fresh_owner_url)
    assert await rows(fresh_owner_url, "select distinct chat from messages") == [(MASKS.chat(made),)]
    await copying.change(
        fresh_owner_url,
        "insert into monitor_projects (business_id, name, kind, drop_space, group_jid, active, validated) "
        f"values (1, 'Old', 'qa', 'Old', '{made}', true, false)",
    )
    await copying.copy(fresh_owner_url)
    assert await rows(fresh_owner_url, "select distinct chat from messages") == [(made,)]
