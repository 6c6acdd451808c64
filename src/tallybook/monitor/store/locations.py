"""SQL of where drops are."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tallybook.core import keys
from tallybook.core.db import Conn


class Location(msgspec.Struct, frozen=True):
    """A drop's place, in degrees."""

    drop_number: str
    latitude: float
    longitude: float


KEEP = f"""
insert into drop_locations as l (business_id, drop_number, latitude, longitude)
select %(business_id)s::int, u.*
from unnest(%(drops)s::text[], %(latitudes)s::float8[], %(longitudes)s::float8[]) as u
order by 2
on conflict {keys.DROP_LOCATION.target} do update set
    latitude = excluded.latitude, longitude = excluded.longitude, imported_at = now()
where (l.latitude, l.longitude) is distinct from (excluded.latitude, excluded.longitude)
returning l.xmax = 0
"""


async def keep(conn: Conn, business_id: int, found: Sequence[Location]) -> tuple[int, int]:
    """Writes places down, no drop twice among them; returns how many are new and how many have moved."""
    asked = {
        "business_id": business_id, "drops": [one.drop_number for one in found],
        "latitudes": [one.latitude for one in found], "longitudes": [one.longitude for one in found],
    }  # fmt: skip
    new = [row[0] for row in await (await conn.execute(KEEP, asked)).fetchall()]
    return sum(new), len(new) - sum(new)
