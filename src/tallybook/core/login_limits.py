"""How often somebody may try a password: counted in the database, and committed before the password is looked at.

Tries of one login name, and tries from one address, take turns. So of any number of parallel tries exactly as many are
let through as the limit says.

A stranger's failures must not lock the owner out. So the strict limit is one login's from one address, and an address
from which that login got in before is held to that limit alone.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from typing import Any

from .db import Conn, Database
from .errors import TooMany


@dataclass(frozen=True)
class Limits:
    """``key`` keeps login names and addresses from being read out of the table. ``window`` is in seconds.

    ``per_pair`` is for one login from one address; the two others are over all addresses, and over all logins.
    """

    key: bytes
    per_pair: int = 10
    per_login: int = 100
    per_address: int = 50
    window: int = 15 * 60


@dataclass(frozen=True)
class Try:
    """One counted try: its row and what it is counted by."""

    id: int
    login_hash: bytes
    address_hash: bytes


# Held to the end of the transaction; the lower number first, so that two tries never wait for each other.
TAKE_TURNS = "select pg_advisory_xact_lock(%(first)s), pg_advisory_xact_lock(%(second)s)"
BEGIN_TRY = """
insert into login_attempts (login_hash, address_hash) values (%(login_hash)s, %(address_hash)s) returning id
"""
# For the pair, the login and the address: failures within the window, and seconds until the oldest of them is over.
COUNT_TRIES = """
with failed as (
    select login_hash = %(login_hash)s as of_login, address_hash = %(address_hash)s as of_address,
        extract(epoch from at + make_interval(secs => %(window)s) - now()) as seconds
    from login_attempts
    where (login_hash = %(login_hash)s or address_hash = %(address_hash)s)
        and not succeeded and at > now() - make_interval(secs => %(window)s)
)
select
    count(*) filter (where of_login and of_address), ceil(min(seconds) filter (where of_login and of_address))::int,
    count(*) filter (where of_login), ceil(min(seconds) filter (where of_login))::int,
    count(*) filter (where of_address), ceil(min(seconds) filter (where of_address))::int,
    exists(select from login_attempts
        where login_hash = %(login_hash)s and address_hash = %(address_hash)s and succeeded)
from failed
"""
# Only the failures from this address: somebody who guesses from elsewhere gets no new tries by the owner's success.
SUCCEED = """
update login_attempts set succeeded = true
where login_hash = %(login_hash)s and address_hash = %(address_hash)s and not succeeded
"""


def keyed(key: bytes, kind: str, value: str) -> bytes:
    """The hash under which a login name or an address is counted."""
    return hmac.digest(key, f"{kind}:{value}".encode("utf-8", "surrogatepass"), hashlib.sha256)


def network_of(address: str) -> str:
    """The address, or for IPv6 its /64, which one person has to themselves."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip.packed[:8] + bytes(8), 64)))
    return str(ip)


def waiting(counted: tuple[Any, ...], limits: Limits) -> int:
    """Seconds to wait by a row of COUNT_TRIES; 0 where a try is free. Pure."""
    bounds = [(0, limits.per_pair), (2, limits.per_login), (4, limits.per_address)][: 1 if counted[6] else 3]
    return max((max(1, counted[place + 1]) for place, limit in bounds if counted[place] >= limit), default=0)


FORGET = "delete from login_attempts where login_hash = %(login_hash)s and not succeeded"


async def forget(conn: Conn, limits: Limits, login: str) -> int:
    """Forgets all failures of a login, whoever's they were. Returns how many."""
    hashed = keyed(limits.key, "login", login.strip().lower())
    return (await conn.execute(FORGET, {"login_hash": hashed})).rowcount


async def begin(db: Database, limits: Limits, login: str, address: str) -> Try:
    """Counts a try. Raises TooMany when the login or the address has had its share.

    A refused try is not counted, so that somebody who keeps trying cannot keep an account locked by that alone.
    """
    hashes = {
        "login_hash": keyed(limits.key, "login", login),
        "address_hash": keyed(limits.key, "address", network_of(address)),
    }

    async def count(conn: Conn) -> Try | int:
        first, second = sorted(int.from_bytes(value[:8], signed=True) for value in hashes.values())
        await conn.execute(TAKE_TURNS, {"first": first, "second": second})
        values = hashes | {"window": limits.window}
        counted = await (await conn.execute(COUNT_TRIES, values)).fetchone()
        if counted and (seconds := waiting(counted, limits)):
            return seconds
        row = await (await conn.execute(BEGIN_TRY, hashes)).fetchone()
        return Try(int(row[0]) if row else 0, **hashes)

    begun = await db.run("begin login", count)
    if isinstance(begun, int):
        raise TooMany(f"Too many tries. Please wait {-(-begun // 60)} min and try again.", retry_after=begun)
    return begun


async def succeed(conn: Conn, begun: Try) -> None:
    """Clears this login's failures from this address."""
    await conn.execute(SUCCEED, {"login_hash": begun.login_hash, "address_hash": begun.address_hash})
