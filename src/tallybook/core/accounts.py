"""The login itself, and what people change in their own account."""

from __future__ import annotations

import msgspec
from prometheus_client import Counter

from . import audit, login_limits, passwords, sessions
from .callers import Caller
from .db import Conn, Database
from .errors import Conflict, Invalid, NotAllowed, NotSignedIn
from .login_limits import Limits
from .passwords import Passwords

LANGUAGES = (None, "en", "he")
THEMES = ("auto", "light", "dark")

logins = Counter("tallybook_logins_total", "Tries to log in, by how they ended.", ["result"])


# ── Logging in ─────────────────────────────────────────────────────────────────────────────────────────────────────

# Into the business that was switched to last, else into the oldest.
BY_LOGIN = """
select a.id, a.password_hash, r.business_id
from accounts a
join account_roles r on r.account_id = a.id
left join lateral (
    select max(l.at) as at from audit_log l
    where l.business_id = r.business_id and l.subject = 'account' and l.subject_id = a.id::text
        and l.action = %(entered)s
) as switched on true
where a.login = %(login)s and a.active
order by switched.at desc nulls last, r.business_id
limit 1
"""
# Only while the hash is still the one that was verified: the password may have been changed meanwhile.
STILL = "select 1 from accounts where id = %(id)s and active and password_hash = %(verified)s for share"
REHASH = "update accounts set password_hash = %(password_hash)s where id = %(id)s and password_hash = %(verified)s"


class Login(msgspec.Struct, frozen=True):
    """What somebody typed, and from where. Never printed."""

    login: str
    password: str
    address: str

    def __repr__(self) -> str:
        return "Login(…)"


async def log_in(db: Database, hasher: Passwords, limits: Limits, tried: Login) -> str:
    """The token of a new session. Raises NotSignedIn for whatever is wrong, and TooMany.

    The answer and the work are the same whether the name is unknown, the account inactive or the password wrong.
    """
    login = tried.login.strip().lower()
    begun = await login_limits.begin(db, limits, login, tried.address)

    async def look_up(conn: Conn) -> tuple[int, str, int] | None:
        # A NUL cannot be asked for, and names nobody.
        values = {"login": login, "entered": sessions.ENTERED}
        row = None if "\0" in login else await (await conn.execute(BY_LOGIN, values)).fetchone()
        return (row[0], row[1], row[2]) if row else None

    found = await db.run("look up login", look_up)
    if not await hasher.verify(tried.password, found[1] if found else None) or found is None:
        logins.labels("refused").inc()
        raise NotSignedIn("The name or the password is wrong.")
    account_id, verified, business_id = found
    better = await hasher.hash(tried.password) if hasher.outdated(verified) else None

    async def finish(conn: Conn) -> str | None:
        if await (await conn.execute(STILL, {"id": account_id, "verified": verified})).fetchone() is None:
            return None
        if better is not None:
            await conn.execute(REHASH, {"id": account_id, "verified": verified, "password_hash": better})
        await login_limits.succeed(conn, begun)
        return await sessions.start(conn, account_id, business_id)

    token = await db.run("log in", finish)
    if token is None:
        raise NotSignedIn("The name or the password is wrong.")
    logins.labels("ok").inc()
    return token


# ── One's own account ──────────────────────────────────────────────────────────────────────────────────────────────

OWN_HASH = "select login, password_hash from accounts where id = %(id)s and active"
CHANGE_HASH = """
update accounts set password_hash = %(password_hash)s, must_change = %(must_change)s
where id = %(id)s and (%(old_hash)s::text is null or password_hash = %(old_hash)s::text)
"""
SET_PREFERENCES = """
update accounts a set locale = %(locale)s, theme = %(theme)s
from (select id, locale, theme from accounts where id = %(id)s for update) before
where a.id = before.id and (a.locale, a.theme) is distinct from (%(locale)s::text, %(theme)s::text)
returning before.locale, before.theme
"""


class PasswordChange(msgspec.Struct, frozen=True):
    """The old password, the new one, and from where, since guessing here is limited like a login."""

    old: str
    new: str
    address: str

    def __repr__(self) -> str:
        return "PasswordChange(…)"


async def change_password(
    db: Database, hasher: Passwords, limits: Limits, caller: Caller, change: PasswordChange
) -> None:
    """Changes the caller's own password and ends all their other sessions.

    Raises Invalid for a wrong old or an unfit new password, TooMany, and Conflict when it was changed meanwhile.
    """
    if caller.account_id is None or caller.session is None:
        raise NotAllowed("Only a person who is logged in can change a password.")
    account_id = caller.account_id

    async def look_up(conn: Conn) -> tuple[str, str]:
        row = await (await conn.execute(OWN_HASH, {"id": account_id})).fetchone()
        if row is None:
            raise NotSignedIn("This account is closed.")
        return row[0], row[1]

    login, old_hash = await db.run("look up own password", look_up)
    begun = await login_limits.begin(db, limits, login, change.address)
    if not await hasher.verify(change.old, old_hash):
        raise Invalid("The old password is wrong.", field="old")
    passwords.check_new(change.new, login)
    if change.new == change.old:
        raise Invalid("The new password is the old one.", field="password")
    values = {"id": account_id, "old_hash": old_hash, "must_change": False}
    values["password_hash"] = await hasher.hash(change.new)

    async def save(conn: Conn) -> None:
        if (await conn.execute(CHANGE_HASH, values)).rowcount == 0:
            raise Conflict("The password was changed meanwhile.")
        await login_limits.succeed(conn, begun)
        await sessions.end_all(conn, account_id, except_handle=caller.session)
        await audit.record(
            conn, caller.business_id, caller.name, account_id, "password.changed", "account", str(account_id)
        )

    await db.run("change password", save)


async def set_preferences(conn: Conn, caller: Caller, locale: str | None, theme: str) -> None:
    """The caller's own language (None: the browser's) and theme. Raises Invalid for what we do not have."""
    if locale not in LANGUAGES or theme not in THEMES:
        raise Invalid("There is no such language or theme.")
    if caller.account_id is None:
        return
    after = {"locale": locale, "theme": theme}
    row = await (await conn.execute(SET_PREFERENCES, after | {"id": caller.account_id})).fetchone()
    if row is not None:
        before = {"locale": row[0], "theme": row[1]}
        subject = ("account", str(caller.account_id))
        await audit.record_by(conn, caller, "account.preferences_changed", *subject, before, after)
