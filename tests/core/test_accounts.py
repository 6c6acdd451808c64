"""Accounts: who gets in, for how long, and who may change whom."""

from __future__ import annotations

import asyncio
import dataclasses

import argon2
import pytest

from tallybook.core import accounts, login_limits, people, sessions
from tallybook.core.accounts import Login, PasswordChange
from tallybook.core.callers import Role
from tallybook.core.db import Database
from tallybook.core.errors import Invalid, NotSignedIn, TooMany
from tallybook.core.login_limits import Limits, network_of
from tallybook.core.passwords import Passwords
from tests.core.door import LIMITS, NEW, change, fetch, log_in, who
from tests.world import CHEAP, PASSWORD, Someone

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
    guesses = [log_in(db, "ana", f"guess {number}", "192.0.2.1") for number in range(32)]
    results = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(type(result) is NotSignedIn for result in results) == 10
    assert sum(type(result) is TooMany for result in results) == 22


async def test_guesses_at_once_from_everywhere_are_bounded_too(db: Database, ana: Someone) -> None:
    few = dataclasses.replace(LIMITS, per_login=20)
    tries = [Login("ana", f"guess {number}", f"192.0.2.{number}") for number in range(32)]
    results = await asyncio.gather(*(accounts.log_in(db, CHEAP, few, one) for one in tries), return_exceptions=True)
    assert sum(type(result) is NotSignedIn for result in results) == 20
    assert LIMITS.per_login == 100


async def test_a_strangers_failures_lock_nobody_out(db: Database, ana: Someone) -> None:
    for _ in range(10):
        with pytest.raises(NotSignedIn):
            await log_in(db, "ana", "wrong", "203.0.113.9")
    with pytest.raises(TooMany):
        await log_in(db, "ana", PASSWORD, "203.0.113.9")
    assert await log_in(db, "ana", PASSWORD, "192.0.2.1"), "even from an address that is new"


async def test_an_address_that_got_in_before_is_stopped_by_its_own_failures_alone(db: Database, ana: Someone) -> None:
    few = dataclasses.replace(LIMITS, per_pair=3, per_login=5, per_address=5)

    async def tries(password: str, address: str, name: str = "ana") -> str:
        return await accounts.log_in(db, CHEAP, few, Login(name, password, address))

    assert await tries(PASSWORD, "192.0.2.1")
    for number in range(5):
        with pytest.raises(NotSignedIn):
            await tries("wrong", f"203.0.113.{number}")
        with pytest.raises(NotSignedIn):
            await tries("wrong", "192.0.2.1", f"somebody{number}")
    with pytest.raises(TooMany):
        await tries(PASSWORD, "198.51.100.1")
    for _ in range(3):
        with pytest.raises(NotSignedIn):
            await tries("typo", "192.0.2.1")
    with pytest.raises(TooMany):
        await tries(PASSWORD, "192.0.2.1")
    assert await db.run("forget", lambda conn: login_limits.forget(conn, few, " Ana ")) == 8
    assert await tries(PASSWORD, "192.0.2.1")
    assert await tries(PASSWORD, "198.51.100.1")


async def test_the_right_password_does_not_help_once_the_tries_are_used_up(db: Database, ana: Someone) -> None:
    for number in range(10):
        with pytest.raises(NotSignedIn):
            await log_in(db, "ana", f"wrong {number}")
    with pytest.raises(TooMany) as refused:
        await log_in(db)
    assert 0 < refused.value.retry_after <= 900
    await change(db, "update login_attempts set at = at - interval '16 minutes'")
    assert await who(db, await log_in(db))


async def test_one_address_gets_fifty_tries_over_all_names(db: Database, ana: Someone) -> None:
    few = Limits(b"k" * 32, per_address=5)
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
