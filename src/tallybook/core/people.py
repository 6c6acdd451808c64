"""The people of a business: their accounts and their roles.

An account is the installation's, a role is a business's. An admin may therefore act on somebody's account only while
that person belongs to no other business; otherwise the admin of one business could take over the people of another.
"""

from __future__ import annotations

import re

import msgspec

from . import audit, keys, passwords, sessions
from .accounts import CHANGE_HASH
from .businesses import Business
from .callers import Caller, Right, Role, require
from .db import Conn
from .errors import Conflict, Invalid, NotAllowed, NotFound
from .passwords import Passwords

LOGIN = re.compile(r"[^\s\x00-\x1f\x7f/\\]{1,100}")
NAME_LENGTH = 100


class Person(msgspec.Struct, frozen=True):
    """Somebody with a role in a business, as admins see them."""

    account_id: int
    login: str
    name: str
    role: Role
    active: bool
    must_change: bool


class NewPerson(msgspec.Struct, frozen=True):
    """Somebody to be added. Without a password a one-time password is made, to be changed at the first login."""

    login: str
    name: str
    role: Role
    password: str | None = None


def login_name(text: str) -> str:
    """The one spelling of a login name. Raises Invalid for what cannot be one."""
    login = text.strip().lower()
    if not LOGIN.fullmatch(login):
        raise Invalid("A login name has 1 to 100 characters and no spaces.", field="login")
    return login


def shown_name(text: str) -> str:
    """A name for people. Raises Invalid for what cannot be one."""
    name = " ".join(text.split())
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise Invalid("A name has 1 to 100 characters.", field="name")
    return name


PEOPLE = """
select a.id, a.login, a.display_name, r.role, a.active, a.must_change
from account_roles r join accounts a on a.id = r.account_id
where r.business_id = %(business_id)s
order by a.active desc, a.display_name, a.id
"""
ADD_ACCOUNT = f"""
insert into accounts (login, display_name, password_hash, must_change)
values (%(login)s, %(name)s, %(password_hash)s, %(must_change)s)
on conflict {keys.ACCOUNT.target} do nothing
returning id
"""
GIVE_ROLE = f"""
insert into account_roles (business_id, account_id, role) values (%(business_id)s, %(account_id)s, %(role)s)
on conflict {keys.ACCOUNT_ROLE.target} do update set role = excluded.role
"""
# Every change of roles in a business waits here, so that two admins cannot remove each other at once.
LOCK_BUSINESS = "select 1 from businesses where id = %(business_id)s for no key update"
ROLE_OF = "select role from account_roles where business_id = %(business_id)s and account_id = %(account_id)s"
OTHER_ADMINS = """
select count(*) from account_roles r join accounts a on a.id = r.account_id and a.active
where r.business_id = %(business_id)s and r.role = 'admin' and r.account_id <> %(account_id)s
"""
ELSEWHERE = """
select exists(select from account_roles where account_id = %(account_id)s and business_id <> %(business_id)s)
"""
SET_ACTIVE = "update accounts set active = %(active)s where id = %(account_id)s and active <> %(active)s"
TAKE_ROLE = "delete from account_roles where business_id = %(business_id)s and account_id = %(account_id)s"


async def people(conn: Conn, business_id: int) -> list[Person]:
    rows = await (await conn.execute(PEOPLE, {"business_id": business_id})).fetchall()
    return [Person(row[0], row[1], row[2], Role(row[3]), row[4], row[5]) for row in rows]


async def add_person(conn: Conn, hasher: Passwords, caller: Caller, person: NewPerson) -> tuple[int, str | None]:
    """A new account with a role in the caller's business; returns its id and its one-time password, if one was made.

    Raises Conflict for a login name that is taken, in whatever business, and Invalid for an unfit name or password.
    """
    require(caller, Right.ADMINISTER)
    login, name = login_name(person.login), shown_name(person.name)
    if person.password is not None:
        passwords.check_new(person.password, login)
    once = passwords.one_time() if person.password is None else None
    account = {
        "login": login,
        "name": name,
        "password_hash": await hasher.hash(person.password or once or ""),
        "must_change": once is not None,
    }
    row = await (await conn.execute(ADD_ACCOUNT, account)).fetchone()
    if row is None:
        raise Conflict("This login name is taken.", field="login")
    role = {"business_id": caller.business_id, "account_id": row[0], "role": person.role}
    await conn.execute(GIVE_ROLE, role)
    await _audit(conn, caller, "account.added", row[0], None, {"login": login, "name": name, "role": person.role})
    return int(row[0]), once


async def set_role(conn: Conn, caller: Caller, account_id: int, role: Role) -> None:
    """Changes somebody's role in the caller's business. It holds from their next request on.

    Raises NotFound for who has no role there, NotAllowed for the last admin.
    """
    before = await _member(conn, caller, account_id)
    if role is not Role.ADMIN:
        await _keep_an_admin(conn, caller, account_id, before)
    await conn.execute(GIVE_ROLE, {"business_id": caller.business_id, "account_id": account_id, "role": role})
    await _audit(conn, caller, "account.role_changed", account_id, {"role": before}, {"role": role})


async def remove_person(conn: Conn, caller: Caller, account_id: int) -> None:
    """Takes somebody out of the caller's business and ends their sessions there; other businesses keep them."""
    before = await _member(conn, caller, account_id)
    await _keep_an_admin(conn, caller, account_id, before)
    await conn.execute(TAKE_ROLE, {"business_id": caller.business_id, "account_id": account_id})
    await sessions.end_all(conn, account_id, business_id=caller.business_id)
    await _audit(conn, caller, "account.removed", account_id, {"role": before}, None)


async def set_active(conn: Conn, caller: Caller, account_id: int, *, active: bool) -> None:
    """Closes an account and ends its sessions, or opens it again. Refused for who belongs to another business too."""
    before = await _own_member(conn, caller, account_id)
    if not active:
        await _keep_an_admin(conn, caller, account_id, before)
    changed = await conn.execute(SET_ACTIVE, {"account_id": account_id, "active": active})
    if not active:
        await sessions.end_all(conn, account_id)
    if changed.rowcount:
        await _audit(conn, caller, "account.opened" if active else "account.closed", account_id)


async def reset_password(conn: Conn, hasher: Passwords, caller: Caller, account_id: int) -> str:
    """A one-time password for somebody who forgot theirs; their sessions end. Returned for the only time."""
    await _own_member(conn, caller, account_id)
    once = passwords.one_time()
    password_hash = await hasher.hash(once)
    values = {"id": account_id, "password_hash": password_hash, "must_change": True, "old_hash": None}
    await conn.execute(CHANGE_HASH, values)
    await sessions.end_all(conn, account_id)
    await _audit(conn, caller, "password.reset", account_id)
    return once


ANY_ROLE = "select exists(select from account_roles where business_id = %(business_id)s)"
FIRST_ADMIN = "admin"


async def ensure_first_admin(conn: Conn, business_id: int, hasher: Passwords | None = None) -> str | None:
    """On a business without people: makes the account ``admin`` (or ``admin2``, … if taken); its one-time password.

    None when there is somebody already. Any number of processes may call it at once: one of them makes the account.
    """
    await conn.execute(LOCK_BUSINESS, {"business_id": business_id})
    row = await (await conn.execute(ANY_ROLE, {"business_id": business_id})).fetchone()
    if row is None or row[0]:
        return None
    system = command_line(business_id)
    for number in range(1, 1000):
        login = FIRST_ADMIN + (str(number) if number > 1 else "")
        try:
            added = await add_person(conn, hasher or Passwords(), system, NewPerson(login, "Admin", Role.ADMIN))
        except Conflict:
            continue
        return added[1]
    raise Conflict("Every name for the first admin is taken. Add one with: tallybook user add")


def command_line(business_id: int) -> Caller:
    """Who runs a command on the server itself, and so may do everything in the business."""
    return Caller(account_id=None, name="command line", business=Business(business_id, "", "UTC", "en"), role=None)


async def _member(conn: Conn, caller: Caller, account_id: int) -> str:
    """The role of somebody in the caller's business, locked against other changes of its roles."""
    require(caller, Right.ADMINISTER)
    values = {"business_id": caller.business_id, "account_id": account_id}
    await conn.execute(LOCK_BUSINESS, values)
    row = await (await conn.execute(ROLE_OF, values)).fetchone()
    if row is None:
        raise NotFound("There is no such person here.")
    return str(row[0])


async def _own_member(conn: Conn, caller: Caller, account_id: int) -> str:
    """As ``_member``, of somebody who belongs to no other business."""
    role = await _member(conn, caller, account_id)
    values = {"business_id": caller.business_id, "account_id": account_id}
    row = await (await conn.execute(ELSEWHERE, values)).fetchone()
    if row and row[0]:
        raise NotAllowed("This person belongs to another business too. You can take them out of yours.")
    return role


async def _keep_an_admin(conn: Conn, caller: Caller, account_id: int, role: str) -> None:
    if role != Role.ADMIN:
        return
    values = {"business_id": caller.business_id, "account_id": account_id}
    row = await (await conn.execute(OTHER_ADMINS, values)).fetchone()
    if not row or row[0] == 0:
        raise NotAllowed("This is the last admin. Make somebody else an admin first.")


async def _audit(
    conn: Conn,
    caller: Caller,
    action: str,
    account_id: int,
    *change: dict[str, object] | None,
) -> None:
    await audit.record_by(conn, caller, action, "account", str(account_id), *change)
