"""The people and things that the tests speak of: plain functions, each taking what should be different."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import argon2

from tallybook.core import businesses, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.db import Conn
from tallybook.core.passwords import Passwords
from tallybook.core.people import NewPerson


async def velo_fibre(conn: Conn, **overrides: Any) -> Business:
    """The fibre installer of Johannesburg."""
    return await businesses.add(conn, **({"name": "Velo Fibre", "time_zone": "Africa/Johannesburg"} | overrides))


async def kinneret_tours(conn: Conn, **overrides: Any) -> Business:
    """Another business, which must never see the first one's things."""
    values = {"name": "Kinneret Tours", "time_zone": "Asia/Jerusalem", "locale": "he"}
    return await businesses.add(conn, **(values | overrides))


# As cheap as argon2 goes: a test says what is kept secret, not how slowly.
CHEAP = Passwords(argon2.Parameters(argon2.Type.ID, 19, 16, 16, time_cost=1, memory_cost=8, parallelism=1))
PASSWORD = "violet cable drum 7"


@dataclass(frozen=True)
class Someone:
    """A person with an account in a business."""

    account_id: int
    login: str
    name: str
    role: Role
    business: Business

    @property
    def caller(self) -> Caller:
        """As the web would know them."""
        return Caller(self.account_id, self.name, self.business, self.role, session="00" * 32)


async def someone(conn: Conn, business: Business, **overrides: Any) -> Someone:
    """Ana, a reviewer, unless told otherwise."""
    values = {"login": "ana", "name": "Ana Mokoena", "role": Role.REVIEWER, "password": PASSWORD} | overrides
    system = people.command_line(business.id)
    account_id, _ = await people.add_person(conn, CHEAP, system, NewPerson(**values))
    return Someone(account_id, values["login"], values["name"], values["role"], business)


async def ana(conn: Conn, business: Business, **overrides: Any) -> Someone:
    """A reviewer."""
    return await someone(conn, business, **overrides)


async def bia(conn: Conn, business: Business, **overrides: Any) -> Someone:
    """A lead."""
    return await someone(conn, business, **({"login": "bia", "name": "Bia Dlamini", "role": Role.LEAD} | overrides))


async def root(conn: Conn, business: Business, **overrides: Any) -> Someone:
    """An admin."""
    return await someone(conn, business, **({"login": "root", "name": "Root", "role": Role.ADMIN} | overrides))


async def caio(conn: Conn, **overrides: Any) -> Someone:
    """An outsider: an admin, but of another business, which is made for him."""
    home = overrides.pop("business", None) or await kinneret_tours(conn)
    return await someone(conn, home, **({"login": "caio", "name": "Caio Levi", "role": Role.ADMIN} | overrides))
