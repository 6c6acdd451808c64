"""The businesses that share the installation. Every tenant row names one of them."""

from __future__ import annotations

from zoneinfo import ZoneInfo, available_timezones

import msgspec

from . import keys
from .db import Conn
from .errors import Conflict, Invalid, NotFound, WrongSetup

LOCALES = ("en", "he")
LONGEST_NAME = 100  # the column's width


class Business(msgspec.Struct, frozen=True):
    """A business and the zone in which its dates are computed."""

    id: int
    name: str
    time_zone: str
    locale: str

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


ADD = f"""
insert into businesses (name, time_zone, locale)
values (%(name)s, %(time_zone)s, %(locale)s)
on conflict {keys.BUSINESS.target} do nothing
returning id, name, time_zone, locale
"""


async def add(conn: Conn, name: str, time_zone: str, locale: str = "en") -> Business:
    """Adds a business. Raises Invalid for an unknown zone or locale, Conflict for a name that is taken."""
    if not name.strip() or len(name) > LONGEST_NAME:
        raise Invalid("A business needs a name of at most 100 characters.")
    if time_zone not in available_timezones():
        raise Invalid(f"“{time_zone}” is not a time zone. Give a name such as Africa/Johannesburg.")
    if locale not in LOCALES:
        raise Invalid(f"“{locale}” is not a language we have: {', '.join(LOCALES)}.")
    cursor = await conn.execute(ADD, {"name": name.strip(), "time_zone": time_zone, "locale": locale})
    row = await cursor.fetchone()
    if row is None:
        raise Conflict(f"There is a business called {name.strip()} already.")
    return Business(*row)


EVERY = "select id, name, time_zone, locale from businesses order by id"


async def every(conn: Conn) -> list[Business]:
    return [Business(*row) for row in await (await conn.execute(EVERY)).fetchall()]


async def of_file(conn: Conn, name: str | None) -> Business:
    """The business that the projects file names; where it names none, the first. Raises WrongSetup, NotFound."""
    known = await every(conn) if name is None else []
    return known[0] if known else await find(conn, name)


async def find(conn: Conn, name: str | None) -> Business:
    """The business of that name, or the only one there is when no name is given."""
    known = await every(conn)
    if name is None and len(known) == 1:
        return known[0]
    for business in known:
        if business.name == name:
            return business
    if not known:
        raise WrongSetup("There is no business yet. Add one with: tallybook business add NAME --timezone ZONE")
    names = ", ".join(business.name for business in known)
    if name is None:
        raise WrongSetup(f"There are several businesses, so one must be named: {names}.")
    raise NotFound(f"There is no business called {name}. There is: {names}.")
