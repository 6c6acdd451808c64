"""The rota for programs: everything that the pages do, by tokens, and within what a token may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Role, Scope
from tallybook.core.db import Database
from tallybook.demo import rota
from tallybook.triage.service.doing import Actor
from tests import world
from tests.triage.rooms import in_another_team

OpenApi = Callable[..., Awaitable[httpx.AsyncClient]]
ROOT = "/api/triage"


@pytest.fixture
async def program(open_api: OpenApi, db: Database, business: Business) -> httpx.AsyncClient:
    """A program with everything that an admin may, before the demo's rota."""
    await db.run("rota", lambda conn: rota.make(conn, business, datetime.now(UTC)))
    return await open_api(await db.run("add", lambda conn: world.root(conn, business)), *Scope)


async def data(answer: Awaitable[httpx.Response], status: int = 200) -> Any:
    found = await answer
    assert found.status_code == status, found.text
    return found.json()["data" if status < 400 else "error"]


async def test_a_program_reads_who_is_on_duty_and_all_that_decides_it(program: httpx.AsyncClient) -> None:
    (team,) = await data(program.get(ROOT))
    assert (team["name"], team["id"]) == (rota.TEAM, 1)
    facts = await data(program.get(f"{ROOT}/1"))
    assert {one["code"] for one in facts["disciplines"]} == {"uiEng", "beEng"}
    now = await data(program.get(f"{ROOT}/1/who"))
    assert [one["discipline"] for one in now] == ["uiEng", "beEng"]
    assert all(one["person"] and one["starts_at"] < one["ends_at"] for one in now)
    then = await data(program.get(f"{ROOT}/1/who", params={"at": now[0]["ends_at"], "discipline": "uiEng"}))
    assert then[0]["starts_at"] == now[0]["ends_at"]
    shifts = await data(program.get(f"{ROOT}/1/shifts", params={"discipline": "uiEng"}))
    assert all(one["ends_at"] == other["starts_at"] for one, other in pairwise(shifts))
    load = await data(program.get(f"{ROOT}/1/load"))
    assert load[0]["days"] == max(one["days"] for one in load) > 0
    troubles = await data(program.get(f"{ROOT}/1/troubles"))
    assert {one["kind"] for one in troubles} <= {"double", "clash", "gap"}
    record = await data(program.get(f"{ROOT}/record", params={"limit": 2}))
    older = await data(program.get(f"{ROOT}/record", params={"below": record[-1]["id"]}))
    assert record[-1]["id"] > older[0]["id"]


async def test_a_program_sets_a_turn_to_nobody_once_and_reads_why(program: httpx.AsyncClient) -> None:
    facts = await data(program.get(f"{ROOT}/1"))
    sprint = max(facts["sprints"], key=lambda one: one["starts_at"])
    part = {"discipline": "uiEng", "person": None, "starts_at": sprint["starts_at"], "ends_at": sprint["ends_at"]}
    await data(program.post(f"{ROOT}/1/overrides", json={"part": part, "key": "k"}), 400)
    asked = {"part": part, "key": "k", "reason": "Nothing is live"}
    (one,) = await data(program.post(f"{ROOT}/1/overrides", json=asked), 201)
    assert (await data(program.post(f"{ROOT}/1/overrides", json=asked), 201))[0]["id"] == one["id"]
    then = {"at": sprint["starts_at"], "discipline": "uiEng"}
    (found,) = await data(program.get(f"{ROOT}/1/who", params=then))
    assert (found["person"], found["why"], found["reason"]) == (None, "unassigned", "Nothing is live")
    await data(program.post(f"{ROOT}/1/overrides/{one['id']}/withdraw", json={}))
    (found,) = await data(program.get(f"{ROOT}/1/who", params=then))
    assert found["person"] == one["instead_of"]


async def test_a_program_finds_who_is_on_duty_in_two_teams_at_once_from_either(
    program: httpx.AsyncClient, db: Database, business: Business
) -> None:
    lead = Actor(business.id, "Lena", leads=True)
    await db.run("data", lambda conn: in_another_team(conn, lead, rota.THANDI, datetime.now(UTC)))
    spans = []
    for team, there in ((1, {"team": 2, "name": "Data", "discipline": "dba"}), (2, {"team": 1, "name": rota.TEAM})):
        troubles = await data(program.get(f"{ROOT}/{team}/troubles"))
        found = [one for one in troubles if one["there"]]
        assert found
        assert all(one["kind"] == "double" and one["person"] == rota.THANDI.slack_id for one in found)
        assert there.items() <= found[0]["there"].items()
        spans.append({one["ends_at"] for one in found[:-1]})
    assert spans[0] == spans[1]


async def test_a_program_asks_for_cover_once_and_decides_once(program: httpx.AsyncClient) -> None:
    facts = await data(program.get(f"{ROOT}/1"))
    sprint = max(facts["sprints"], key=lambda one: one["starts_at"])
    span = {"since": sprint["starts_at"], "until": sprint["ends_at"]}
    helpers = await data(program.get(f"{ROOT}/1/helpers", params=span | {"discipline": "uiEng"}))
    part = {
        "discipline": "uiEng", "person": helpers["proposals"][0]["person"], "starts_at": span["since"],
        "ends_at": span["until"],
    }  # fmt: skip
    wanted = {"part": part, "key": "k1", "reason": "A wedding"}
    (one,) = await data(program.post(f"{ROOT}/1/overrides", json=wanted), 201)
    (again,) = await data(program.post(f"{ROOT}/1/overrides", json=wanted), 201)
    assert (one["id"], one["state"]) == (again["id"], "pending")
    await data(program.post(f"{ROOT}/1/overrides", json=wanted | {"key": ""}), 400)
    await data(program.post(f"{ROOT}/1/overrides", json=wanted | {"key": "k2"}), 409)
    path = f"{ROOT}/1/overrides/{one['id']}"
    (approved,) = await data(program.post(f"{path}/approve"))
    assert (approved["state"], approved["decided_by"]) == ("approved", "Root")
    first = await data(program.post(f"{path}/decline", json={}), 409)
    assert first["details"] == {"state": "approved", "decided_by": "Root"}
    on_duty = await data(program.get(f"{ROOT}/1/who", params={"at": span["since"], "discipline": "uiEng"}))
    assert (on_duty[0]["person"], on_duty[0]["why"]) == (part["person"], "override")
    await data(program.post(f"{path}/withdraw", json={"note": "They are back"}))
    over = await data(program.get(f"{ROOT}/1/overrides", params={"over": True}))
    assert (over[0]["asked"]["id"], over[0]["note"]) == (one["id"], "They are back")
    repeated = {"Idempotency-Key": "k3"}
    at_once = await data(
        program.post(f"{ROOT}/1/overrides", json={"part": part, "at_once": True}, headers=repeated), 201
    )
    assert at_once[0]["state"] == "approved"
    listed = await data(program.get(f"{ROOT}/1/overrides"))
    assert at_once[0]["id"] in {one["asked"]["id"] for one in listed}


async def test_a_program_changes_the_rota_by_what_it_has_seen(program: httpx.AsyncClient) -> None:
    roster = f"{ROOT}/1/disciplines/uiEng/roster"
    since = datetime.now(UTC) + timedelta(days=1)
    wanted = {"people": [rota.THANDI.slack_id], "since": since.isoformat(), "reason": "One is left"}
    seen = await data(program.post(f"{roster}/preview", json=wanted))
    assert seen["changes"]
    assert {one["becomes"]["person"] for one in seen["changes"]} == {rota.THANDI.slack_id}
    await data(program.post(roster, json=wanted | {"version": seen["version"] + 7}), 409)
    made = await data(program.post(roster, json=wanted | {"version": seen["version"]}), 201)
    assert made["number"] == 2
    await data(program.post(f"{roster}/restore", json={"number": 1, "reason": "Back"}), 201)
    versions = await data(program.get(roster))
    assert [(one["number"], one["made"]["restores"]) for one in versions] == [(3, 1), (2, None), (1, None)]
    sprints = sorted((await data(program.get(f"{ROOT}/1")))["sprints"], key=lambda one: one["starts_at"])
    last = date.fromisoformat(sprints[-1]["last_day"])
    days = {"first_day": str(last), "last_day": str(last + timedelta(days=14))}
    new = await data(program.post(f"{ROOT}/1/sprints", json=days | {"name": "Sp+"}), 201)
    await data(program.post(f"{ROOT}/1/sprints", json=days | {"name": "Sp++"}), 409)
    path, longer = f"{ROOT}/1/sprints/{new['id']}", {"name": "Long", "first_day": str(last), "reason": "More to do"}
    longer |= {"last_day": str(last + timedelta(days=21))}
    assert (await data(program.post(f"{path}/preview", json=longer)))["name"] == "Long"
    assert (await data(program.put(path, json=longer)))["ends_at"] > new["ends_at"]
    await data(program.delete(path, params={"reason": "Not needed"}))
    await data(program.delete(path, params={"reason": "Not needed"}), 404)
    assert (await data(program.post(ROOT, json={"name": "Apps", "zone": "Asia/Jerusalem"}), 201))["id"] == 2
    clock = await data(program.put(f"{ROOT}/2/clock", json={"zone": "Africa/Cairo", "hand_over": "09:00:00"}))
    assert (clock["zone"], clock["hand_over"]) == ("Africa/Cairo", "09:00:00")
    assert (await data(program.put(f"{ROOT}/2/disciplines/po", json={"name": "Product"})))["changed"]


async def test_a_program_keeps_people_absences_and_holidays(program: httpx.AsyncClient) -> None:
    member = f"{ROOT}/1/disciplines/uiEng/members/U0NEW"
    await data(program.put(member), 404)
    assert (await data(program.put(f"{ROOT}/people/U0NEW", json={"name": "Dina"})))["changed"]
    assert (await data(program.put(member)))["changed"]
    assert not (await data(program.put(member)))["changed"]
    await data(program.post(f"{member}/leave", json={}), 400)
    why = {"reason": "Came by mistake"}
    assert (await data(program.post(f"{member}/leave", json=why)))["changed"]
    assert not (await data(program.post(f"{member}/leave", json=why)))["changed"]
    path = f"{ROOT}/1/disciplines/uiEng/members/{rota.THANDI.slack_id}/leave"
    seen = await data(program.post(f"{path}/preview", json={}))
    assert {one["was"]["person"] for one in seen["changes"]} >= {rota.THANDI.slack_id}
    await data(program.post(f"{path}/preview", json={"at": "2020-01-01T08:00:00Z"}), 400)
    await data(program.post(path, json=why | {"version": seen["version"] - 1}), 409)
    assert (await data(program.post(path, json=why | {"version": seen["version"]})))["changed"]
    back = path.removesuffix("/leave")
    assert {one["becomes"]["person"] for one in (await data(program.post(f"{back}/preview", json={})))["changes"]} == {
        rota.THANDI.slack_id
    }
    await data(program.post(f"{back}/preview", json={"at": "2020-01-01T08:00:00Z"}), 400)
    next_month = {"at": (datetime.now(UTC) + timedelta(days=30)).isoformat()}
    seen = await data(program.post(f"{back}/preview", json=next_month))
    await data(program.put(back, json=next_month | {"version": seen["version"] - 1}), 409)
    assert (await data(program.put(back, json=next_month | {"version": seen["version"]})))["changed"]
    assert not (await data(program.put(back, json=next_month)))["changed"]
    assert "U0NEW" in {one["slack_id"] for one in await data(program.get(f"{ROOT}/people"))}
    of_new = f"{ROOT}/people/U0NEW/calendars"
    await data(program.post(of_new, json={"address": "http://calendars.example/secret-4c"}), 400)
    given = {"address": "https://calendars.example/secret-4c", "away": True}
    made = [await data(program.post(of_new, json=given), 201) for _ in range(2)]
    (listed,) = await data(program.get(of_new))
    assert (made[0], listed["host"], listed["away"]) == (made[1], "calendars.example", True)
    assert "secret-4c" not in str(listed)
    other = f"{ROOT}/people/{rota.THANDI.slack_id}/calendars/{listed['id']}"
    await data(program.delete(other), 404)
    await data(program.delete(f"{of_new}/{listed['id']}"))
    assert await data(program.get(of_new)) == []
    now = datetime.now(UTC)
    away = {
        "person": "U0NEW",
        "starts_at": now.isoformat(),
        "ends_at": (now + timedelta(days=3)).isoformat(),
        "key": "a",
    }
    one = await data(program.post(f"{ROOT}/absences", json=away), 201)
    assert (await data(program.post(f"{ROOT}/absences", json=away), 201))["id"] == one["id"]
    await data(program.delete(f"{ROOT}/absences/{one['id']}"))
    await data(program.delete(f"{ROOT}/absences/{one['id']}"), 409)
    free = str(now.date() + timedelta(days=40))
    assert (await data(program.put(f"{ROOT}/1/holidays", json=[{"day": free, "name": "Off"}])))["changed"] == 1
    assert (await data(program.delete(f"{ROOT}/1/holidays/{free}")))["changed"] == 1


async def test_a_program_says_how_a_team_is_told_and_keeps_links_and_accounts(program: httpx.AsyncClient) -> None:
    told = await data(program.get(f"{ROOT}/1/telling"))
    changed = told | {"channel": "C0DEMO", "heads_up": "18:30:00"}
    await data(program.put(f"{ROOT}/1/telling", json=changed))
    assert await data(program.get(f"{ROOT}/1/telling")) == changed
    await data(program.put(f"{ROOT}/1/telling", json=told | {"late_after": 10**30}), 400)
    link = await data(program.post(f"{ROOT}/feeds", json={"kind": "team", "team_id": 1}), 201)
    calendar = await program.get(httpx.URL(link["calendar"]).path, headers={"authorization": ""})
    assert calendar.text.startswith("BEGIN:VCALENDAR")
    assert link["id"] in {one["id"] for one in await data(program.get(f"{ROOT}/feeds"))}
    await data(program.delete(f"{ROOT}/feeds/{link['id']}"))
    await data(program.delete(f"{ROOT}/feeds/{link['id']}"), 404)
    scope, keyed = {"kind": "team", "team_id": 1}, {"idempotency-key": "k"}
    first, again = [await data(program.post(f"{ROOT}/feeds", json=scope, headers=keyed), 201) for _ in range(2)]
    assert first == again == await data(program.post(f"{ROOT}/feeds", json=scope | {"key": "k"}), 201)
    assert first["id"] != (await data(program.post(f"{ROOT}/feeds", json=scope | {"key": "other"}), 201))["id"]
    person = f"{ROOT}/people/{rota.THANDI.slack_id}/account"
    await data(program.put(person, json={"account_id": 10**12}), 400)
    assert (await data(program.put(person, json={"account_id": None})))["changed"]


async def test_a_token_may_no_more_than_it_was_made_for_and_nothing_of_another_business(
    program: httpx.AsyncClient, open_api: OpenApi, db: Database, business: Business
) -> None:
    facts = await data(program.get(f"{ROOT}/1"))
    sprint = facts["sprints"][-1]
    part = {
        "discipline": "uiEng", "person": rota.THANDI.slack_id, "starts_at": sprint["starts_at"],
        "ends_at": sprint["ends_at"],
    }  # fmt: skip
    reader = await open_api(await db.run("add", lambda conn: world.ana(conn, business, role=Role.ADMIN)), Scope.READ)
    await data(reader.get(f"{ROOT}/1/who"))
    for method, path, body in (
        ("POST", f"{ROOT}/1/overrides", {"part": part, "key": "x"}),
        ("POST", f"{ROOT}/1/overrides/1/approve", {}),
        ("POST", f"{ROOT}/1/disciplines/uiEng/roster", {"people": [], "since": sprint["starts_at"], "reason": "x"}),
        ("POST", f"{ROOT}/1/sprints", {"name": "x", "first_day": "2030-01-01", "last_day": "2030-01-15"}),
        ("PUT", f"{ROOT}/people/U0NEW", {"name": "Dina"}),
        ("PUT", f"{ROOT}/1/disciplines/po", {"name": "Product"}),
        ("PUT", f"{ROOT}/1/holidays", [{"day": "2030-01-01"}]),
    ):
        await data(reader.request(method, path, json=body), 403)
    other = await open_api(await db.run("add", world.caio), *Scope)
    assert await data(other.get(ROOT)) == []
    for path in ("", "/who", "/shifts", "/load", "/troubles", "/overrides"):
        await data(other.get(f"{ROOT}/1{path}"), 404)
    await data(other.post(f"{ROOT}/1/overrides/1/approve"), 404)


WRONG: list[tuple[str, dict[str, Any], int]] = [
    ("/1/who", {"at": "2026-03-02T08:00:00"}, 400), ("/1/who", {"at": "0001-01-01T00:00:00Z"}, 400),
    ("/1/who", {"discipline": "none"}, 404), ("/1/shifts", {"until": "2900-01-01T00:00:00Z"}, 400),
    ("/99999999999999999999", {}, 404), ("/record", {"limit": 0}, 400), ("/record", {"below": -1}, 404),
    ("/1/load", {"since": "9999-12-31T23:59:59-12:00"}, 400), ("/1/overrides", {"limit": 1000}, 400),
]  # fmt: skip


async def test_what_means_nothing_is_told_and_is_no_fault_of_ours(program: httpx.AsyncClient) -> None:
    for path, params, status in WRONG:
        await data(program.get(ROOT + path, params=params), status)
    for method, path, body in (
        ("PUT", f"{ROOT}/people/U0NEW", {"name": "a\0b"}),
        ("PUT", f"{ROOT}/1/disciplines/a%00b", {"name": "x"}),
        ("PUT", f"{ROOT}/1/disciplines/po", {"name": "x" * 200, "place": 2**40}),
        ("POST", ROOT, {"name": "x" * 30 + "\0", "zone": "UTC"}),
        ("POST", ROOT, {"name": "x", "zone": "UTC", "country": "ABC"}),
    ):
        answer = await program.request(method, path, json=body)
        assert answer.status_code < 500, (path, answer.text)


async def test_a_program_takes_a_discipline_out_of_use_by_what_it_has_seen(program: httpx.AsyncClient) -> None:
    path = f"{ROOT}/1/disciplines/uiEng"
    seen = await data(program.post(f"{path}/use/preview", json={"in_use": False}))
    assert {one["becomes"]["why"] for one in seen["changes"]} == {"out_of_use"}
    await data(program.post(f"{path}/use", json={"in_use": False}), 400)
    sure = {"in_use": False, "reason": "It is done", "version": seen["version"]}
    await data(program.post(f"{path}/use", json=sure | {"version": seen["version"] + 1}), 409)
    assert await data(program.post(f"{path}/use", json=sure)) == {"changed": True}
    assert await data(program.post(f"{path}/use", json=sure)) == {"changed": False}
    assert [one["discipline"] for one in await data(program.get(f"{ROOT}/1/who"))] == ["beEng"]
    (asked,) = await data(program.get(f"{ROOT}/1/who", params={"discipline": "uiEng"}))
    assert (asked["person"], asked["why"]) == (None, "out_of_use")
    await data(program.put(path, json={"name": "UI", "active": True}), 400)
