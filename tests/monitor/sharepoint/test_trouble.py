"""Whatever SharePoint and the network do, the list ends as it should be: no item twice, none lost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from tallybook.channels.sharepoint.types import SharePointAway, SharePointError
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tests.graph.server import FakeGraph, Fault
from tests.graph.words import Asked
from tests.monitor import desk
from tests.monitor.desk import LAWLEY, said
from tests.monitor.sharepoint.conftest import FILE, TOLD, Syncing, numbers


def writing(asked: Asked) -> bool:
    return asked.is_batch and asked.writes


def uploading(asked: Asked) -> bool:
    return asked.method == "PUT"


def reading(asked: Asked) -> bool:
    return asked.path.startswith("/v1.0/") and not asked.writes


def is_right(fake: FakeGraph) -> None:
    """One item for each key with its numbers, and one workbook."""
    assert numbers(fake) == TOLD
    assert len(fake.tenant.lists["Tallybook"].items) == len(TOLD)
    assert list(fake.tenant.library.files) == [FILE]


@pytest.mark.parametrize("when", [writing, uploading, reading], ids=["items", "workbook", "reads"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_connection_that_breaks_before_or_after_the_effect_neither_loses_nor_doubles(
    sync: Syncing, fake: FakeGraph, when: Callable[[Asked], bool], after: bool
) -> None:
    fake.fault(Fault("drop", after, when))
    await sync()
    is_right(fake)


async def test_a_yes_that_comes_after_we_stopped_listening_is_found_again(sync: Syncing, fake: FakeGraph) -> None:
    fake.fault(Fault("slow", after=True, when=writing, seconds=1.5))
    await sync(timeout=0.5)
    is_right(fake)


async def test_a_write_that_lands_after_we_gave_it_up_and_looked_is_known_for_ours(
    sync: Syncing, fake: FakeGraph, db: Database, home: Business
) -> None:
    """The late one takes the version away from under the next one, which is refused, looks again, and goes on."""
    await sync()
    late = [said(LAWLEY, "DR1752109", "2025-12-02 20:30")]
    await db.run("post", lambda conn: desk.file(conn, home, late))
    fake.fault(Fault("slow", when=writing, seconds=1.0))
    report = await sync(timeout=0.5)
    assert report.conflicts == 0
    assert numbers(fake) == TOLD | {"2025-12-02|Lawley": (4, 1, 3, 1)}
    assert len(fake.tenant.lists["Tallybook"].items) == len(TOLD)


async def test_requests_inside_a_batch_are_refused_one_by_one_and_asked_again_when_it_is_time(
    sync: Syncing, fake: FakeGraph
) -> None:
    fake.tenant.inner_refusals = 7
    await sync()
    is_right(fake)
    assert fake.tenant.units.impatient <= 7  # those of the batch that was on its way already
    batches = [asked for asked in fake.asked if asked.is_batch]
    assert sum(len(asked.json["requests"]) for asked in batches) == 2 * len(TOLD) + 7


@pytest.mark.parametrize("status", [429, 503])
async def test_it_waits_as_long_as_it_is_told_and_does_not_ask_meanwhile(
    sync: Syncing, fake: FakeGraph, status: int
) -> None:
    fault = fake.fault(Fault("refuse", when=writing, status=status, retry_after="1"))
    begun = time.monotonic()
    await sync()
    assert fault.times == 0
    assert time.monotonic() - begun >= 1
    assert fake.tenant.units.impatient == 0
    is_right(fake)


async def test_told_to_wait_longer_than_a_run_may_last_it_comes_again_then(sync: Syncing, fake: FakeGraph) -> None:
    fake.fault(Fault("refuse", when=writing, status=429, retry_after="3600"))
    with pytest.raises(SharePointAway) as away:
        await sync()
    assert away.value.retry_after == pytest.approx(3600, abs=5)
    assert numbers(fake) == {}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_an_error_of_the_server_s_says_nothing_of_what_was_written(
    sync: Syncing, fake: FakeGraph, status: int
) -> None:
    fake.fault(Fault("refuse", when=writing, status=status))
    fake.fault(Fault("refuse", when=uploading, status=status))
    fake.fault(Fault("refuse", when=reading, times=3, status=status))
    await sync()
    is_right(fake)


async def test_a_server_that_never_recovers_ends_the_run_with_its_reason_and_the_next_run_completes_it(
    sync: Syncing, fake: FakeGraph
) -> None:
    fake.fault(Fault("drop", when=writing, times=99))
    with pytest.raises(SharePointAway, match="no certain answer"):
        await sync()
    assert numbers(fake) == {}
    assert list(fake.tenant.library.files) == [FILE]
    fake.faults.clear()
    await sync()
    is_right(fake)


async def test_a_server_that_is_gone_from_any_request_on_leaves_nothing_that_the_next_run_cannot_complete(
    sync: Syncing, fake: FakeGraph, db: Database, home: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallybook.channels.sharepoint.wire.TRIES", 2)
    for step in range(8):
        at_the_api = fake.fault(Fault("drop", after=step % 2 == 1, skip=step, times=999))
        with contextlib.suppress(SharePointAway):
            await sync()
        at_the_api.times = 0
    await sync()
    is_right(fake)
    assert (await sync()).written == 0


@pytest.mark.parametrize("kind", ["drop", "refuse"])
async def test_a_sign_in_that_gives_no_answer_ends_the_run_before_anything_is_asked(
    sync: Syncing, fake: FakeGraph, kind: str
) -> None:
    fake.fault(Fault(kind, when=lambda asked: "openid" in asked.path, times=9))
    with pytest.raises(SharePointAway, match="sign-in"):
        await sync()
    assert fake.asked == []


async def test_a_large_workbook_goes_up_in_slices_and_on_where_it_was_cut_off(
    sync: Syncing, fake: FakeGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallybook.channels.sharepoint.calls.SLICE", 320 * 1024)
    noise = bytes(range(256)) * 4_000
    monkeypatch.setattr("tallybook.monitor.service.sharepoint_books.workbook", lambda _: noise)
    fake.fault(Fault("drop", after=False, when=uploading, skip=1))
    fake.fault(Fault("drop", after=True, when=uploading, skip=1))
    await sync()
    assert fake.tenant.library.files[FILE].content == noise
    sizes = [len(asked.body) for asked in fake.asked if asked.method == "PUT"]
    assert {size % (320 * 1024) for size in sizes[:-1]} == {0}
    assert fake.tenant.library.uploads == 1


async def test_a_workbook_that_is_open_in_excel_waits_and_the_items_are_written_all_the_same(
    sync: Syncing, fake: FakeGraph, db: Database, home: Business
) -> None:
    await sync()
    fake.tenant.library.files[FILE].locked = True
    late = [said(LAWLEY, "DR1752109", "2025-12-02 20:30")]
    await db.run("post", lambda conn: desk.file(conn, home, late))
    with pytest.raises(SharePointAway, match="open in Excel"):
        await sync()
    assert numbers(fake)["2025-12-02|Lawley"] == (4, 1, 3, 1)
    fake.tenant.library.files[FILE].locked = False
    await sync()
    assert fake.tenant.library.uploads == 2


async def test_one_refused_item_stops_neither_its_neighbours_nor_the_workbook(sync: Syncing, fake: FakeGraph) -> None:
    """The old sync counted rows: a row that failed left a gap, and its project was lost."""
    fake.tenant.lists["Tallybook"].refused = "2025-12-02|Mamelodi"
    with pytest.raises(SharePointAway, match="403"):
        await sync()
    assert numbers(fake).keys() == TOLD.keys() - {"2025-12-02|Mamelodi"}
    assert list(fake.tenant.library.files) == [FILE]
    fake.tenant.lists["Tallybook"].refused = ""
    await sync()
    is_right(fake)


async def test_a_list_whose_key_is_not_unique_is_refused_before_anything_is_written(
    sync: Syncing, fake: FakeGraph
) -> None:
    fake.tenant.lists["Tallybook"].columns["TallybookKey"]["enforceUniqueValues"] = False
    with pytest.raises(SharePointError, match="does not enforce unique values"):
        await sync()
    assert numbers(fake) == {}


async def test_a_refused_sign_in_is_told_without_what_was_sent(sync: Syncing, fake: FakeGraph) -> None:
    fake.tenant.tokens.clear()
    fake.certificate = None
    fake.secret = "another"
    with pytest.raises(SharePointError, match="invalid_client") as refused:
        await sync()
    assert "AADSTS" not in refused.value.message
    assert "secret-of" not in refused.value.message
