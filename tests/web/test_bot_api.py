"""The bot for programs: what it knows, kept one by one and as files, how it did, and what it decided."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Database
from tallybook.web import inbox_bot_board_api
from tests import world
from tests.core.worked import rows
from tests.web.conftest import OpenApi
from tests.web.test_bot_board import THREE, TWO, a_day

BOARD = "/api/inbox/bot"
DECISIONS = f"{BOARD}/decisions"
ANSWERS = "/api/inbox/bot/answers"
OPEN = {"question": "Are you open?", "answer": "Yes."}
HEAD = b"question,answer,language\n"


def data(answer: httpx.Response, status: int = 200) -> Any:
    """What was answered, with this status."""
    assert answer.status_code == status, answer.text
    return answer.json().get("data") if answer.content else None


def file(content: bytes) -> dict[str, Any]:
    return {"files": {"file": ("a.csv", content, "text/csv")}}


@pytest.fixture
async def api(open_api: OpenApi, root: world.Someone) -> httpx.AsyncClient:
    return await open_api(root, Scope.ADMIN)


async def test_answers_are_kept_as_on_the_page_and_each_change_stands_in_the_record(
    api: httpx.AsyncClient, db: Database
) -> None:
    assert data(await api.get(ANSWERS)) == {"answers": [], "count": 0, "kept": 0}
    added = data(await api.post(ANSWERS, json=OPEN), 201)
    assert added == {"id": 1, "language": "en", "given": True} | OPEN
    data(await api.post(ANSWERS, json=OPEN), 409)
    other = data(await api.post(ANSWERS, json={"question": "מתי אתם פתוחים?", "answer": "תמיד"}), 201)
    assert other["language"] == "he"
    one = f"{ANSWERS}/1"
    for _ in range(2):
        assert data(await api.put(one, json=OPEN | {"given": False})) == added | {"given": False}
    data(await api.put(one, json=OPEN | {"question": other["question"], "language": "he"}), 409)
    found = data(await api.get(ANSWERS, params={"q": "OPEN"}))
    assert (found["count"], found["kept"], found["answers"]) == (1, 2, [added | {"given": False}])
    assert [row["id"] for row in data(await api.get(ANSWERS, params={"skip": 1}))["answers"]] == [other["id"]]
    data(await api.delete(one), 204)
    data(await api.delete(one), 404)
    record = await rows(db, "select action from audit_log where subject = 'answer' order by id")
    assert [row[0] for row in record] == ["answer.added", "answer.added", "answer.changed", "answer.removed"]


async def test_what_cannot_be_an_answer_is_told(api: httpx.AsyncClient) -> None:
    for wrong in ({"question": "the"}, {"question": ""}, {"answer": "\0"}, {"language": "fr"}):
        data(await api.post(ANSWERS, json=OPEN | wrong), 400)
    for number in (7, 0, 2**63):
        data(await api.put(f"{ANSWERS}/{number}", json=OPEN), 404)
        data(await api.delete(f"{ANSWERS}/{number}"), 404)
    for query in ({"q": "x" * 101}, {"skip": -1}):
        data(await api.get(ANSWERS, params=query), 400)


async def test_of_programs_that_add_one_question_at_once_one_does(api: httpx.AsyncClient, db: Database) -> None:
    done = await asyncio.gather(*(api.post(ANSWERS, json=OPEN | {"answer": f"No. {one}"}) for one in range(6)))
    assert Counter(one.status_code for one in done) == {201: 1, 409: 5}
    assert len(await rows(db, "select 1 from inbox_answers")) == 1


async def test_what_goes_out_as_a_file_comes_in_again_once_it_was_looked_at(
    api: httpx.AsyncClient, db: Database
) -> None:
    both = HEAD + "Are you open?,Yes.,en\nWhere are you?,Here.,en\nמתי אתם פתוחים?,תמיד,he\n".encode()
    written = [data(await api.post(f"{ANSWERS}/file", **file(both))) for _ in range(2)]
    assert [(one["added"], one["known"]) for one in written] == [(3, 0), (0, 3)]
    for kind in ("csv", "xlsx"):
        given = (await api.get(f"{ANSWERS}.{kind}")).raise_for_status()
        looked = data(await api.post(f"{ANSWERS}/file/look", **file(given.content)))
        assert (looked["known"], looked["added"], looked["changed"], looked["wrong"]) == (3, [], [], [])
    less = file(HEAD + b"Are you open?,No.,en\n")
    looked = data(await api.post(f"{ANSWERS}/file/look?withdraw=true", **less))
    assert [(one["before"]["answer"], one["answer"]) for one in looked["changed"]] == [("Yes.", "No.")]
    assert ([one["question"] for one in looked["withdrawn"]], looked["given"]) == (["Where are you?"], 2)
    query = {"withdraw": "true", "mark": looked["mark"]}
    data(await api.post(f"{ANSWERS}/file", params=query, **less), 409)
    meant = query | {"withdraw_many": "true"}
    await api.put(f"{ANSWERS}/1", json=OPEN | {"answer": "Perhaps."})
    data(await api.post(f"{ANSWERS}/file", params=meant, **less), 409)
    meant["mark"] = data(await api.post(f"{ANSWERS}/file/look?withdraw=true", **less))["mark"]
    done = await asyncio.gather(*(api.post(f"{ANSWERS}/file", params=meant, **less) for _ in range(3)))
    assert sorted((data(one)["changed"], data(one)["withdrawn"]) for one in done) == [(0, 0), (0, 0), (1, 1)]
    assert len(await rows(db, "select 1 from audit_log where action = 'answer.withdrawn'")) == 1


async def test_half_a_file_is_none(api: httpx.AsyncClient, db: Database) -> None:
    half = file(HEAD + b"Are you open?,Yes.,en\nWhere?,,en\n")
    wrong = [{"sheet": "", "row": 3, "reason": "There is no answer."}]
    assert data(await api.post(f"{ANSWERS}/file/look", **half))["wrong"] == wrong
    told = await api.post(f"{ANSWERS}/file", **half)
    assert (told.status_code, told.json()["error"]["details"]["rows"]) == (400, wrong)
    for path in (f"{ANSWERS}/file", f"{ANSWERS}/file/look"):
        data(await api.post(path), 400)
        data(await api.post(path, json={"file": "x"}), 400)
        data(await api.post(path, **file(b"neither,this\n")), 400)
    assert await rows(db, "select 1 from inbox_answers") == []


async def test_a_token_that_may_only_look_changes_nothing(open_api: OpenApi, root: world.Someone) -> None:
    for scope in (Scope.READ, Scope.REVIEW):
        api = await open_api(root, scope)
        for path in (ANSWERS, f"{ANSWERS}.csv"):
            assert (await api.get(path)).status_code == 200
        data(await api.post(ANSWERS, json=OPEN), 403)
        data(await api.put(f"{ANSWERS}/1", json=OPEN), 403)
        data(await api.delete(f"{ANSWERS}/1"), 403)
        for path in (f"{ANSWERS}/file", f"{ANSWERS}/file/look"):
            data(await api.post(path, **file(HEAD)), 403)


async def test_how_the_bot_did_is_told_as_on_its_page(api: httpx.AsyncClient, db: Database, business: Business) -> None:
    empty = data(await api.get(BOARD))
    assert (empty["mode"], empty["days"], empty["whole"]["rate"], empty["whole"]["median"]) == ("off", [], None, None)
    await a_day(db, business)
    board = data(await api.get(BOARD, params={"days": 1}))
    whole, (day,) = board["whole"], board["days"]
    ends = {"bursts": 4, "asked": 3, "answered": 1, "drafted": 0, "handed_over": 2, "suppressed": 1}
    assert {name: whole[name] for name in ends} == ends
    assert whole["rate"] == pytest.approx(1 / 3)
    assert (whole["reached"], board["target"], board["last_day"]["rate"]) == (False, 0.95, whole["rate"])
    assert 0 < whole["median"] <= whole["p95"] < 60
    assert day | {"day": None} == whole
    why = {one["reason"]: (one["decision"], one["count"]) for one in board["reasons"]}
    assert why["no known answer fits surely enough"] == ("handed_over", 2)
    assert [(one["count"], one["language"]) for one in board["questions"]] == [(2, "en")]
    data(await api.post(ANSWERS, json={"question": "Do you sell batteries for phones?", "answer": "Yes."}), 201)
    assert data(await api.get(BOARD))["questions"] == []


async def test_decisions_of_all_threads_are_listed_page_by_page(
    api: httpx.AsyncClient, db: Database, business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_bot_board_api, "PAGE_SIZE", 3)
    await a_day(db, business)
    first = data(await api.get(DECISIONS))
    second = data(await api.get(DECISIONS, params={"after": first["after"]}))
    assert ([len(one["decisions"]) for one in (first, second)], second["after"]) == ([3, 1], None)
    both = first["decisions"] + second["decisions"]
    assert Counter(one["decision"] for one in both) == {"handed_over": 2, "answered": 1, "suppressed": 1}
    assert len({one["conversation_id"] for one in both}) == 4
    given = data(await api.get(DECISIONS, params={"show": "handed_over"}))["decisions"]
    assert {one["name"] for one in given} == {TWO, THREE}


async def test_what_no_page_shows_is_no_period_decision_or_place(api: httpx.AsyncClient) -> None:
    for path, query in (
        (BOARD, {"days": 2}), (BOARD, {"days": 2**70}), (DECISIONS, {"days": 0}), (DECISIONS, {"show": "waiting"}),
        (DECISIONS, {"after": "nonsense"}),
    ):  # fmt: skip
        data(await api.get(path, params=query), 400)
    assert data(await api.get(DECISIONS, params={"after": "0001-01-01T00:00:00~1~1"}))["decisions"] == []
