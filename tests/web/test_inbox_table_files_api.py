"""The inbox's lists as files, for programs: the same as on the pages, and the canned answers taken in again."""

from __future__ import annotations

import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.core.db import Conn, Database
from tests import world as office
from tests.inbox import world
from tests.inbox.world import NOA
from tests.web.conftest import OpenApi

CANNED = "/api/crm/canned"


async def test_leads_are_given_as_csv_and_xlsx_to_who_may_see_them(
    open_api: OpenApi, db: Database, business: Business, root: office.Someone
) -> None:
    async def lead(conn: Conn) -> None:
        await world.customer(conn, business, NOA, lead="Noa Cohen")

    await db.run("lead", lead)
    api = await open_api(root, Scope.READ)
    table = await api.get("/api/crm/leads.csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert "Noa Cohen" in table.text
    assert "Noa Cohen" not in (await api.get("/api/crm/leads.csv", params={"q": "Sipho"})).text
    assert (await api.get("/api/crm/leads.xlsx")).content.startswith(b"PK")
    other = await open_api(await db.run("caio", office.caio), Scope.READ)
    assert "Noa" not in (await other.get("/api/crm/leads.csv")).text


async def test_canned_answers_leave_as_a_file_and_come_back_once(open_api: OpenApi, root: office.Someone) -> None:
    api = await open_api(root)
    answer = {"language": "en", "shortcut": "hi", "text": "Hello {first name}"}
    assert (await api.post(CANNED, json=answer)).status_code == 201
    table = (await api.get(f"{CANNED}.csv")).content
    for more, told in (
        (b"", {"made": 0, "changed": 0, "known": 1}), (b"bye,en,Good bye\r\nno,xx,No\r\n", {"made": 1, "known": 1}),
        (b"bye,en,Good bye\r\nno,xx,No\r\n", {"made": 0, "changed": 0, "known": 2}),
    ):  # fmt: skip
        taken = await api.post(f"{CANNED}/import", files={"file": ("answers.csv", table + more)})
        assert taken.status_code == 200, taken.text
        data = taken.json()["data"]
        assert data | told == data
        assert [one["row"] for one in data["wrong"]] == ([4] if more else [])
    assert len((await api.get(CANNED)).json()["data"]) == 2


@pytest.mark.parametrize("file", [None, ("answers.csv", b"a,b\r\n1,2\r\n"), ("answers.xlsx", b"PK nothing")])
async def test_what_is_no_such_file_is_refused(
    open_api: OpenApi, root: office.Someone, file: tuple[str, bytes] | None
) -> None:
    api, reader = await open_api(root), await open_api(root, Scope.READ)
    more = {"files": {"file": file}} if file else {"data": {"file": "x"}}
    assert (await api.post(f"{CANNED}/import", **more)).status_code == 400
    assert (await reader.post(f"{CANNED}/import", **more)).status_code == 403
    assert (await api.post(f"{CANNED}/import", json={})).status_code == 400
