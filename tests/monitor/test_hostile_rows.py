"""A bridge's file may hold anything in any column. One bad row costs itself, visibly, and never its neighbours."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tallybook.channels.bridge.reader import BridgeSource
from tallybook.core import health
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.monitor.jobs import Keeper, Watch, scan
from tallybook.monitor.store import projects as project_store
from tests.channels.bridge.bridge_file import BridgeFile
from tests.core.worked import rows, until
from tests.monitor.desk import LAWLEY, PROJECTS, desk

COLUMNS = (
    "id", "sender", "content", "timestamp", "is_from_me", "media_type", "filename", "file_sha256", "file_length",
)  # fmt: skip
LONG = secrets.token_hex(2000)
ODD = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.binary(max_size=40),
    st.sampled_from(["99999999999999999999", "-1", "nan", "inf", "\0", LONG, LONG.encode(), b"\xff\xfe", "9" * 5000]),
    st.just("9" * 4000 + "@lid"),
)
GOOD = ["DR1000001", "DR1000002"]
FILED = "select drop_number from qa_photo_reviews where drop_number in ('DR1000001', 'DR1000002') order by 1"


def watch_of(file: BridgeFile, business: Business) -> Watch:
    groups = frozenset(project.group for project in PROJECTS)
    return Watch(business, BridgeSource("primary", file.messages_path, None, lambda: groups), desk())


async def forget(conn: Conn) -> None:
    for table in ("qa_submissions", "qa_photo_reviews", "drops", "message_revisions", "messages", "source_positions"):
        await conn.execute(f"delete from {table}".encode())


async def check_a_row(db: Database, business: Business, odd: dict[str, object]) -> None:
    """Two good rows with a bad one between them, from the file to the registers; read twice, like every file."""
    await db.run("forget", forget)
    await db.run("mirror", lambda conn: project_store.mirror(conn, business.id, PROJECTS))
    with tempfile.TemporaryDirectory() as folder, BridgeFile(Path(folder)) as file:
        file.post(LAWLEY.group, GOOD[0])
        file.post(LAWLEY.group, "nothing", id="odd", media_type="image")
        assignments = ", ".join(f"{column} = ?" for column in odd)
        file.execute(f"update messages set {assignments} where id = 'odd'", tuple(odd.values()))
        file.post(LAWLEY.group, GOOD[1])
        watch = watch_of(file, business)
        for full in (False, True):
            await scan(db, watch, full=full)
            unusable = (await watch.bridge.report()).unkeyable_rows
            assert [drop for (drop,) in await rows(db, FILED)] == GOOD
            ((kept,),) = await rows(db, "select count(*) from messages")
            assert kept + unusable == 3
        await watch.bridge.aclose()


async def test_whatever_a_row_holds_its_neighbours_are_filed_and_it_is_kept_or_counted(
    db: Database, business: Business
) -> None:
    loop = asyncio.get_running_loop()

    @given(odd=st.dictionaries(st.sampled_from(COLUMNS), ODD, min_size=1))
    @example(odd={"file_length": "99999999999999999999"})
    @example(odd={"file_length": -1})
    @example(odd={"id": LONG})
    @example(odd={"id": LONG.encode()})
    @example(odd={"id": None})
    @example(odd={"sender": "9" * 4000 + "@lid"})
    @example(odd={"content": "x" * 1_100_000})
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    def any_row(odd: dict[str, object]) -> None:
        asyncio.run_coroutine_threadsafe(check_a_row(db, business, odd), loop).result(60)

    await asyncio.to_thread(any_row)


async def test_an_id_too_long_for_a_key_is_told_of(db: Database, business: Business, tmp_path: Path) -> None:
    with BridgeFile(tmp_path) as file:
        file.post(LAWLEY.group, "DR1000001", id=LONG)
        file.post(LAWLEY.group, "DR1000001", id="")
        watch = watch_of(file, business)
        found = await watch.bridge.report()
        await watch.bridge.aclose()
    assert found.unkeyable_rows == 2
    assert found.problems[:2] == [
        "1 rows have no message id and were left out.",
        "1 rows have a message id that is too long and were left out.",
    ]


@pytest.fixture
def no_right_to_store(superuser_url: str, clean_database: None) -> Iterator[None]:
    """What a half-made release may look like."""
    with psycopg.connect(superuser_url, autocommit=True) as owner:
        owner.execute("revoke insert on messages from tallybook_prod")
        yield
        owner.execute("grant insert on messages to tallybook_prod")


@pytest.mark.usefixtures("no_right_to_store")
async def test_posts_that_cannot_be_stored_are_wrong_on_the_health_page_and_not_merely_late(
    db: Database, business: Business, tmp_path: Path
) -> None:
    with BridgeFile(tmp_path) as file:
        file.post(LAWLEY.group, "DR1000001")
        watch = watch_of(file, business)

        async def current() -> Watch:
            return watch

        stop = asyncio.Event()
        keeping = asyncio.create_task(Keeper(db, current).run(stop))

        async def told() -> bool:
            report = await health.report(db, datetime.now(UTC))
            return ("bridge", "wrong", CANNOT) in [(check.name, check.state, check.says) for check in report.checks]

        await until(told)
        assert (await health.report(db, datetime.now(UTC))).state == "wrong", "tallybook health exits with 1"
        stop.set()
        await keeping
        await watch.bridge.aclose()


CANNOT = "Posts cannot be stored (InsufficientPrivilege); they wait in the bridge's file."
