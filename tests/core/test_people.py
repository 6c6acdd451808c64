"""People and programs: what each may do, who may change whom, and the tokens that programs call with."""

from __future__ import annotations

import asyncio

import pytest

from tallybook.core import accounts, api_tokens, people
from tallybook.core.accounts import PasswordChange
from tallybook.core.businesses import Business
from tallybook.core.callers import RIGHTS_OF_ROLE, RIGHTS_OF_SCOPE, Caller, Right, Role, Scope, may, rights
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound, TallybookError
from tallybook.core.people import NewPerson
from tests import world
from tests.core.door import LIMITS, NEW, fetch, log_in, who
from tests.world import CHEAP, Someone

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
    someone = await make(conn, business)
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
