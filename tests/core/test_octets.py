"""Bytes go to PostgreSQL as they are."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallybook.core.arrays import Octets
from tallybook.core.db import Conn

BACK = "select array_agg(one order by place) from unnest(%(given)s::bytea[]) with ordinality as u (one, place)"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=20))
async def test_bytes_come_back_as_they_were(conn: Conn, values: list[bytes]) -> None:
    row = await (await conn.execute(BACK, {"given": Octets(values)})).fetchone()
    assert row is not None
    assert (row[0] or []) == values
