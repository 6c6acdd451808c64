"""Accounts: who gets in, for how long, and who may change whom."""

from __future__ import annotations

import asyncio

import argon2
import pytest

from tallybook.core import accounts, api_tokens, people, sessions
from tallybook.core.accounts import Login, PasswordChange
from tallybook.core.businesses import Business
from tallybook.core.callers import RIGHTS_OF_ROLE, RIGHTS_OF_SCOPE, Caller, Right, Role, Scope, may, rights
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound, NotSignedIn, TallybookError, TooMany
from tallybook.core.login_limits import Limits, network_of
from tallybook.core.passwords import Passwords
from tallybook.core.people import NewPerson
from tests import world
from tests.world import CHEAP, PASSWORD, Someone

LIMITS = Limits(b"k" * 32)
NEW = "amber splice tray 9"


@pytest.fixture
async def ana(db: Database, business: Business) -> Someone:
    return await db.run("add", lambda conn: world.ana(conn, business))


@pytest.fixture
async def root(db: Database, business: Business) -> Someone:
    return await db.run("add", lambda conn: world.root(conn, business))


async def log_in(db: Database, login: str = "ana", password: str = PASSWORD, address: str = "192.0.2.1") -> str:
    return await accounts.log_in(db, CHEAP, LIMITS, Login(login, password, address))


async def who(db: Database, token: str) -> Caller | None:
    return await db.run("resolve", lambda conn: sessions.resolve(conn, token))


async def fetch(db: Database, query: str) -> list[tuple[object, ...]]:
    async with db.transaction() as conn:
        return await (await conn.execute(query.encode())).fetchall()


async def change(db: Database, statement: str) -> None:
    async with db.transaction() as conn:
        await conn.execute(statement.encode())


# ── Logging in ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_login_name_is_one_whatever_its_case(db: Database, ana: Someone) -> None:
    caller = await who(db, await log_in(db, " ANA "))
    assert caller is not None
    assert (caller.account_id, caller.role, caller.business) == (ana.account_id, Role.REVIEWER, ana.business)


@pytest.mark.parametrize(
    ("login", "password"), [("ana", "wrong"), ("nobody", PASSWORD), ("ana\0", PASSWORD), ("", ""), ("ana", "x" * 10**5)]
)
async def test_whatever_is_wrong_the_answer_is_the_same(db: Database, ana: Someone, login: str, password: str) -> None:
    with pytest.raises(NotSignedIn, match=r"^The name or the password is wrong\.$"):
        await log_in(db, login, password)


async def test_an_unknown_name_costs_the_same_work_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    real = argon2.PasswordHasher.verify
    monkeypatch.setattr(
        argon2.PasswordHasher,
        "verify",
        lambda self, hashed, given: verified.append(hashed) or real(self, hashed, given),
    )
    known = await CHEAP.hash(PASSWORD)
    assert not await CHEAP.verify("wrong", known)
    assert not await CHEAP.verify("wrong", None)
    assert [argon2.extract_parameters(hashed) for hashed in verified] == [argon2.extract_parameters(known)] * 2


async def test_neither_the_password_nor_the_token_is_stored(db: Database, ana: Someone) -> None:
    token = await log_in(db)
    stored = str(await fetch(db, "select to_jsonb(a), to_jsonb(s) from accounts a, sessions s"))
    assert PASSWORD not in stored
    assert token not in stored
    assert token.encode().hex() not in stored
    assert "$argon2id$" in stored


async def test_neither_login_name_nor_address_can_be_read_out_of_the_tries(db: Database, ana: Someone) -> None:
    with pytest.raises(NotSignedIn):
        await log_in(db, "ana", "wrong", "192.0.2.77")
    async with db.transaction() as conn:
        row = await (await conn.execute("select login_hash, address_hash from login_attempts")).fetchone()
    assert row is not None
    assert all(len(value) == 32 and b"ana" not in value and b"192" not in value for value in row)


async def test_a_hash_of_other_parameters_is_made_anew_at_the_next_login(db: Database, ana: Someone) -> None:
    dearer = Passwords(argon2.Parameters(argon2.Type.ID, 19, 16, 16, time_cost=2, memory_cost=16, parallelism=1))
    before = await fetch(db, "select password_hash from accounts")
    await accounts.log_in(db, dearer, LIMITS, Login("ana", PASSWORD, "192.0.2.1"))
    after = await fetch(db, "select password_hash from accounts")
    assert before != after
    assert not dearer.outdated(str(after[0][0]))


def test_the_product_hashes_as_rfc_9106_says_for_little_memory() -> None:
    assert not Passwords().outdated("$argon2id$v=19$m=65536,t=3,p=4$" + "c29tZXNhbHRzb21lc2FsdA$" + "A" * 43)
    assert Passwords().outdated("$argon2id$v=19$m=65536,t=2,p=4$" + "c29tZXNhbHRzb21lc2FsdA$" + "A" * 43)


# ── Guessing ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_thirty_two_guesses_at_once_get_ten_tries(db: Database, ana: Someone) -> None:
    guesses = [log_in(db, "ana", f"guess {number}", f"192.0.2.{number}") for number in range(32)]
    results = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(type(result) is NotSignedIn for result in results) == 10
    assert sum(type(result) is TooMany for result in results) == 22


async def test_the_right_password_does_not_help_once_the_tries_are_used_up(db: Database, ana: Someone) -> None:
    for number in range(10):
        with pytest.raises(NotSignedIn):
            await log_in(db, "ana", "wrong", f"192.0.2.{number}")
    with pytest.raises(TooMany) as refused:
        await log_in(db)
    assert 0 < refused.value.retry_after <= 900
    await change(db, "update login_attempts set at = at - interval '16 minutes'")
    assert await who(db, await log_in(db))


async def test_one_address_gets_fifty_tries_over_all_names(db: Database, ana: Someone) -> None:
    few = Limits(b"k" * 32, per_login=10, per_address=5)
    for number in range(5):
        with pytest.raises(NotSignedIn):
            await accounts.log_in(db, CHEAP, few, Login(f"name{number}", "wrong", "2001:db8::1"))
    with pytest.raises(TooMany):
        await accounts.log_in(db, CHEAP, few, Login("ana", PASSWORD, "2001:db8::ffff"))
    assert await accounts.log_in(db, CHEAP, few, Login("ana", PASSWORD, "2001:db8:1::1"))
    assert LIMITS.per_address == 50


async def test_a_success_clears_ones_own_failures_but_not_a_guessers(db: Database, ana: Someone) -> None:
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(NotSignedIn):
                await log_in(db, "ana", "typo", "192.0.2.1")
        await log_in(db, "ana", PASSWORD, "192.0.2.1")
    for _ in range(9):
        with pytest.raises(NotSignedIn):
            await log_in(db, "ana", "guess", "203.0.113.9")
    await log_in(db, "ana", PASSWORD, "192.0.2.1")
    with pytest.raises(NotSignedIn):
        await log_in(db, "ana", "guess", "203.0.113.9")
    with pytest.raises(TooMany):
        await log_in(db, "ana", "guess", "203.0.113.9")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unix:", "unix:"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


# ── Sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("aged", "lives"),
    [
        ("seen_at = now() - interval '11 hours 59 minutes'", True),
        ("seen_at = now() - interval '12 hours 1 minute'", False),
        ("expires_at = now() - interval '1 second'", False),
    ],
)
async def test_a_session_ends_when_idle_or_old(db: Database, ana: Someone, aged: str, lives: bool) -> None:
    token = await log_in(db)
    await change(db, f"update sessions set {aged}")
    assert (await who(db, token) is not None) is lives


async def test_using_a_session_keeps_it_alive_and_writes_at_most_once_a_minute(db: Database, ana: Someone) -> None:
    token = await log_in(db)
    await change(db, "update sessions set seen_at = now() - interval '11 hours'")
    await who(db, token)
    seen = await fetch(db, "select seen_at, seen_at > now() - interval '10 seconds' from sessions")
    assert seen[0][1] is True
    await who(db, token)
    assert (await fetch(db, "select seen_at from sessions"))[0][0] == seen[0][0]


async def test_a_changed_password_ends_every_other_session(db: Database, ana: Someone) -> None:
    other, mine = await log_in(db), await log_in(db)
    caller = await who(db, mine)
    assert caller is not None
    await accounts.change_password(db, CHEAP, LIMITS, caller, PasswordChange(PASSWORD, NEW, "192.0.2.1"))
    assert await who(db, other) is None
    assert await who(db, mine) is not None
    assert await log_in(db, password=NEW)
    with pytest.raises(NotSignedIn):
        await log_in(db, password=PASSWORD)


@pytest.mark.parametrize("new", ["short", "x" * 300, "ana-ana-ana", "aaaaaaaaaaaa", PASSWORD])
async def test_an_unfit_password_is_refused(db: Database, ana: Someone, new: str) -> None:
    caller = await who(db, await log_in(db))
    assert caller is not None
    with pytest.raises(Invalid):
        await accounts.change_password(db, CHEAP, LIMITS, caller, PasswordChange(PASSWORD, new, "192.0.2.1"))
    assert await log_in(db)


async def test_an_open_session_is_no_way_to_guess_the_old_password(db: Database, ana: Someone) -> None:
    caller = await who(db, await log_in(db))
    assert caller is not None
    wrong = PasswordChange("wrong", NEW, "192.0.2.1")
    for _ in range(10):
        with pytest.raises(Invalid):
            await accounts.change_password(db, CHEAP, LIMITS, caller, wrong)
    with pytest.raises(TooMany):
        await accounts.change_password(db, CHEAP, LIMITS, caller, wrong)


async def test_a_closed_account_is_out_at_once_and_cannot_come_back(db: Database, ana: Someone, root: Someone) -> None:
    token = await log_in(db)
    await db.run("close", lambda conn: people.set_active(conn, root.caller, ana.account_id, active=False))
    assert await who(db, token) is None
    with pytest.raises(NotSignedIn):
        await log_in(db)
    await db.run("open", lambda conn: people.set_active(conn, root.caller, ana.account_id, active=True))
    assert await who(db, token) is None
    assert await log_in(db)


async def test_one_can_end_ones_own_sessions_and_nobody_elses(db: Database, ana: Someone, root: Someone) -> None:
    token = await log_in(db)
    hers = (await db.run("list", lambda conn: sessions.live(conn, ana.account_id)))[0].handle
    assert not await db.run("end", lambda conn: sessions.end(conn, root.caller, hers))
    assert await who(db, token) is not None
    for nonsense in ("", "zz" * 32, "00", "' or 1=1 --"):
        assert not await db.run("end", lambda conn, handle=nonsense: sessions.end(conn, ana.caller, handle))
    assert await db.run("end", lambda conn: sessions.end(conn, ana.caller, hers))
    assert await who(db, token) is None


# ── Rights ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_role_and_scope_has_its_rights_and_only_admins_administer() -> None:
    assert set(RIGHTS_OF_ROLE) == set(Role)
    assert set(RIGHTS_OF_SCOPE) == set(Scope)
    assert [role for role in Role if Right.ADMINISTER in RIGHTS_OF_ROLE[role]] == [Role.ADMIN]
    assert all(Right.SEE in granted for granted in RIGHTS_OF_ROLE.values())


def test_a_token_allows_what_both_its_scopes_and_its_owner_may(business: Business) -> None:
    def caller(role: Role | None, *scopes: Scope) -> Caller:
        return Caller(1, "x", business, role, frozenset(scopes))

    assert rights(caller(Role.ADMIN, Scope.READ)) == {Right.SEE}
    assert rights(caller(Role.VIEWER, Scope.ADMIN)) == {Right.SEE}
    assert rights(caller(None, Scope.REVIEW)) == {Right.SEE, Right.REVIEW, Right.ANSWER}
    assert rights(caller(Role.ADMIN)) == frozenset()


async def test_who_must_change_the_password_may_do_nothing_else(db: Database, business: Business) -> None:
    once = await db.run("first", lambda conn: people.ensure_first_admin(conn, business.id, CHEAP))
    assert once is not None
    caller = await who(db, await log_in(db, "admin", once))
    assert caller is not None
    assert caller.must_change
    assert not any(may(caller, right) for right in Right)
    await accounts.change_password(db, CHEAP, LIMITS, caller, PasswordChange(once, NEW, "192.0.2.1"))
    caller = await who(db, await log_in(db, "admin", NEW))
    assert caller is not None
    assert may(caller, Right.ADMINISTER)


async def test_many_processes_that_start_at_once_make_one_first_admin(db: Database, business: Business) -> None:
    started = [db.run("first", lambda conn: people.ensure_first_admin(conn, business.id, CHEAP)) for _ in range(8)]
    made = await asyncio.gather(*started)
    assert sum(password is not None for password in made) == 1
    assert await fetch(db, "select login, must_change from accounts") == [("admin", True)]


async def test_the_first_admin_of_another_business_gets_another_name(conn: Conn, business: Business) -> None:
    await people.ensure_first_admin(conn, business.id, CHEAP)
    other = await world.kinneret_tours(conn)
    assert await people.ensure_first_admin(conn, other.id, CHEAP)
    assert [person.login for person in await people.people(conn, other.id)] == ["admin2"]


# ── People ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("make", [world.ana, world.bia])
async def test_only_an_admin_changes_people(conn: Conn, business: Business, make: object) -> None:
    someone = await make(conn, business)  # type: ignore[operator]
    attempts = (
        lambda: people.set_role(conn, someone.caller, someone.account_id, Role.ADMIN),
        lambda: people.add_person(conn, CHEAP, someone.caller, NewPerson("x", "X", Role.ADMIN)),
        lambda: people.reset_password(conn, CHEAP, someone.caller, someone.account_id),
        lambda: people.set_active(conn, someone.caller, someone.account_id, active=False),
        lambda: people.remove_person(conn, someone.caller, someone.account_id),
        lambda: api_tokens.create(conn, someone.caller, "x", frozenset({Scope.READ})),
        lambda: api_tokens.revoke(conn, someone.caller, 1),
    )
    for attempt in attempts:
        with pytest.raises(NotAllowed):
            await attempt()


async def test_the_admin_of_another_business_finds_nobody_here(conn: Conn, business: Business) -> None:
    ana = await world.ana(conn, business)
    caio = await world.caio(conn)
    for attempt in (
        lambda: people.set_role(conn, caio.caller, ana.account_id, Role.VIEWER),
        lambda: people.reset_password(conn, CHEAP, caio.caller, ana.account_id),
        lambda: people.set_active(conn, caio.caller, ana.account_id, active=False),
        lambda: people.remove_person(conn, caio.caller, ana.account_id),
    ):
        with pytest.raises(NotFound):
            await attempt()
    with pytest.raises(Conflict):
        await people.add_person(conn, CHEAP, caio.caller, NewPerson("ana", "Mine now", Role.VIEWER))


async def test_an_admin_cannot_take_over_somebody_who_belongs_to_another_business_too(
    conn: Conn, business: Business
) -> None:
    ana, caio = await world.ana(conn, business), await world.caio(conn)
    await conn.execute(
        "insert into account_roles (business_id, account_id, role) values (%s, %s, 'viewer')",
        (caio.business.id, ana.account_id),
    )
    for attempt in (
        lambda: people.reset_password(conn, CHEAP, caio.caller, ana.account_id),
        lambda: people.set_active(conn, caio.caller, ana.account_id, active=False),
    ):
        with pytest.raises(NotAllowed):
            await attempt()
    await people.remove_person(conn, caio.caller, ana.account_id)
    assert [person.login for person in await people.people(conn, business.id)] == ["ana"]


async def test_two_admins_who_demote_each_other_at_once_leave_one(db: Database, root: Someone) -> None:
    second = await db.run("add", lambda conn: world.root(conn, root.business, login="root2", name="Root Two"))
    results = await asyncio.gather(
        db.run("a", lambda conn: people.set_role(conn, root.caller, second.account_id, Role.VIEWER)),
        db.run("b", lambda conn: people.remove_person(conn, second.caller, root.account_id)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, TallybookError) for result in results) == 1
    assert await fetch(db, "select count(*) from account_roles where role = 'admin'") == [(1,)]


@pytest.mark.parametrize(
    ("login", "name"),
    [("", "X"), ("a b", "X"), ("a\nb", "X"), ("x" * 101, "X"), ("a/b", "X"), ("a", " "), ("a", "x" * 101)],
)
async def test_an_unfit_name_is_refused(conn: Conn, business: Business, login: str, name: str) -> None:
    with pytest.raises(Invalid):
        await people.add_person(conn, CHEAP, people.command_line(business.id), NewPerson(login, name, Role.VIEWER))


# ── API tokens ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def make_token(db: Database, caller: Caller, *scopes: Scope) -> str:
    return await db.run("create", lambda conn: api_tokens.create(conn, caller, "report", frozenset(scopes)))


async def token_holder(db: Database, token: str) -> Caller | None:
    return await db.run("resolve", lambda conn: api_tokens.resolve(conn, token))


async def test_a_token_is_shown_once_and_stored_as_a_hash(db: Database, root: Someone) -> None:
    token = await make_token(db, root.caller, Scope.READ)
    assert token.startswith("tb_")
    assert len(token) == 46
    assert token[3:] not in str(await fetch(db, "select to_jsonb(t), to_jsonb(l) from api_tokens t, audit_log l"))
    caller = await token_holder(db, token)
    assert caller is not None
    assert (caller.business, rights(caller)) == (root.business, {Right.SEE})


async def test_a_revoked_token_is_dead_and_is_revoked_once(db: Database, root: Someone) -> None:
    token = await make_token(db, root.caller, Scope.READ)
    caller = await token_holder(db, token)
    assert caller is not None
    assert caller.token_id is not None
    number = caller.token_id
    await db.run("revoke", lambda conn: api_tokens.revoke(conn, root.caller, number))
    assert await token_holder(db, token) is None
    with pytest.raises(NotFound):
        await db.run("revoke", lambda conn: api_tokens.revoke(conn, root.caller, number))


async def test_another_business_cannot_revoke_it(db: Database, root: Someone) -> None:
    token = await make_token(db, root.caller, Scope.READ)
    caio = await db.run("add", world.caio)
    with pytest.raises(NotFound):
        await db.run("revoke", lambda conn: api_tokens.revoke(conn, caio.caller, 1))
    assert await token_holder(db, token) is not None


async def test_a_token_dies_with_its_owners_account_and_shrinks_with_the_role(db: Database, root: Someone) -> None:
    second = await db.run("add", lambda conn: world.root(conn, root.business, login="root2"))
    token = await make_token(db, second.caller, Scope.ADMIN)
    await db.run("demote", lambda conn: people.set_role(conn, root.caller, second.account_id, Role.VIEWER))
    caller = await token_holder(db, token)
    assert caller is not None
    assert rights(caller) == {Right.SEE}
    await db.run("close", lambda conn: people.set_active(conn, root.caller, second.account_id, active=False))
    assert await token_holder(db, token) is None


async def test_a_token_cannot_make_one_that_may_more(db: Database, root: Someone) -> None:
    token = await make_token(db, root.caller, Scope.READ, Scope.REVIEW)
    caller = await token_holder(db, token)
    assert caller is not None
    with pytest.raises(NotAllowed):
        await make_token(db, caller, Scope.ADMIN)


async def test_last_use_is_written_at_most_once_a_minute(db: Database, root: Someone) -> None:
    token = await make_token(db, root.caller, Scope.READ)
    for _ in range(3):
        await token_holder(db, token)
    used = await fetch(db, "select last_used_at, xmin::text from api_tokens")
    assert used[0][0] is not None
    await token_holder(db, token)
    assert await fetch(db, "select last_used_at, xmin::text from api_tokens") == used


@pytest.mark.parametrize("nonsense", ["", "tb_", "tb_x", "Bearer", "tb_" + "\ud800", "tb_" + "0" * 5000])
async def test_nonsense_is_no_token(db: Database, root: Someone, nonsense: str) -> None:
    assert await token_holder(db, nonsense) is None
    assert await who(db, nonsense) is None
