"""The whole way: a post in the bridge's file, an invalid row, one reply in the group, its echo back in the file."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from tallybook import worker
from tallybook.app import open_app
from tallybook.channels.bridge.sender import LIMITS
from tallybook.core import people
from tallybook.core.businesses import Business
from tallybook.core.db import Database, open_database
from tallybook.core.rates import Limit, Limits
from tallybook.monitor.service import reply_board
from tallybook.settings import Settings
from tests import world
from tests.channels.bridge.bridge_file import BridgeFile
from tests.channels.bridge.fake_bridge import OWN, FakeBridge
from tests.monitor.works import FILE, LAWLEY, MOHADIN, VELO, Works, opened

UNKNOWN = (
    "Invalid Drop Number\n"
    "Drop DR9999999 is not in the valid list for Lawley.\n"
    "Please submit a valid drop number from the project plan."
)


async def test_an_unknown_drop_is_answered_once_with_a_mention(works: Works) -> None:
    works.post("DR9999999 done")
    works.post("DR1000001 done")
    await works.read()
    assert await works.rows("select drop_number, project from invalid_drop_submissions") == [("DR9999999", "Lawley")]
    assert await works.send() == 1
    assert await works.read() == 1, "our own message came back"
    await works.read(full=True)
    assert await works.send() == 0
    assert works.fake.texts == [f"@27820000001 {UNKNOWN}"]
    assert works.fake.shown[0].mentions == "27820000001@s.whatsapp.net"
    assert await works.states() == ["delivered"]


async def test_a_drop_of_another_project_is_shown_its_group(works: Works) -> None:
    works.post("DR2000001")
    await works.read()
    await works.send()
    (text,) = works.fake.texts
    assert "Drop DR2000001 belongs to Mohadin, not Lawley." in text


async def test_whoever_is_known_by_a_lid_alone_is_answered_without_a_mention(works: Works) -> None:
    works.post("DR9999999", sender="98765432109876")
    works.file.learn_lid("98765432109877", "27820000002")
    works.post("DR9999998", sender="98765432109877")
    await works.read()
    await works.send()
    mentions = {text.partition("\n")[0]: shown.mentions for shown in works.fake.shown for text in [shown.text]}
    assert mentions == {
        "Invalid Drop Number": None,
        "@27820000002 Invalid Drop Number": "27820000002@s.whatsapp.net",
    }


async def test_nothing_that_we_said_is_read_as_a_post(works: Works) -> None:
    """Every reply, in every group, echoed as ours, as a second number's of which nobody told us, and once more."""
    for group in (LAWLEY, MOHADIN, VELO):
        works.post("DR9999999 and DR2000001", group)
    await works.read()
    assert await works.send() == 5
    await works.read()
    for shown in list(works.fake.shown):
        works.post(shown.text, shown.chat, sender="27820000098")
        works.post(shown.text, shown.chat, sender=OWN, from_me=True)
    assert await works.read() == 10
    assert await works.send() == 0
    assert len(works.fake.shown) == 5
    assert await works.rows("select count(*) from invalid_drop_submissions") == [(5,)]
    assert await works.rows("select count(*) from qa_submissions") == [(1,)], "Mohadin's own drop, posted by somebody"
    assert await works.states() == ["delivered"] * 5


async def test_ten_thousand_posts_of_a_backlog_make_no_storm(works: Works) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    works.file.post_many(
        (f"B{n}", LAWLEY, "27820000001", f"DR{8_000_000 + n}", now - timedelta(minutes=11, seconds=n))
        for n in range(10_000)
    )
    assert await works.read() == 10_000
    await works.read(full=True)
    assert await works.rows("select count(*) from invalid_drop_submissions") == [(10_000,)]
    assert await works.rows("select count(*) from outbox") == [(0,)]
    assert await works.send() == 0
    assert works.fake.asked == 0


async def test_what_a_new_group_said_before_is_not_answered(
    db: Database, business: Business, file: BridgeFile, fake: FakeBridge
) -> None:
    for number in range(50):
        file.post(LAWLEY, f"DR70000{number:02}", at=datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5))
    works = await opened(db, business, file, fake)
    assert await works.rows("select count(*) from invalid_drop_submissions") == [(50,)]
    assert await works.states() == []
    works.post("DR7000099")
    await works.read()
    assert await works.states() == ["waiting"]
    await works.sender.aclose()


async def test_what_only_a_reading_of_everything_finds_is_not_answered(works: Works) -> None:
    works.post("DR9999999")
    await works.read(full=True)
    assert await works.rows("select count(*) from invalid_drop_submissions") == [(1,)]
    assert await works.states() == []


async def test_a_hundred_posts_at_once_are_answered_as_fast_as_the_number_may(works: Works) -> None:
    for number in range(100):
        works.post(f"DR60000{number:02}")
    await works.read()
    works.sender.limits = Limits((Limit(2, 60), Limit(20, 3600), Limit(100, 86_400)), cooldown=3600)
    assert await works.send() == 2
    assert await works.send() == 0
    assert sorted(await works.states()) == ["sent"] * 2 + ["waiting"] * 98
    assert len(works.fake.shown) == 2


@pytest.mark.parametrize("order", ["slow", "drops", "timeout", "lost"])
async def test_a_reply_without_an_answer_is_settled_by_its_echo_and_not_sent_again(works: Works, order: str) -> None:
    works.post("DR9999999")
    await works.read()
    works.fake.orders = [order]
    await works.send()
    assert await works.states() == ["unknown"]
    await works.read()
    assert await works.states() == ["delivered"]
    await works.rows("update outbox set not_before = now() - interval '1 hour'")
    assert await works.send() == 0
    assert len(works.fake.shown) == 1


async def test_a_reply_without_an_answer_that_never_comes_back_waits_for_a_person(works: Works) -> None:
    works.post("DR9999999")
    await works.read()
    works.fake.orders = ["slow-unsent"]
    await works.send()
    await works.read()
    assert await works.states() == ["unknown"]
    await works.rows("update outbox set not_before = now() - interval '1 hour'")
    assert await works.send() == 0
    assert await works.states() == ["parked"]
    assert works.fake.shown == []


async def test_a_bridge_that_is_not_connected_is_tried_again(works: Works) -> None:
    works.post("DR9999999")
    await works.read()
    works.fake.orders = ["disconnected", "fails"]
    for _ in range(2):
        await works.send()
        assert await works.states() == ["waiting"]
        assert await works.send() == 0, "not at once"
        await works.rows("update outbox set not_before = now()")
        await works.rows("update sending_lines set open_at = now()")
    await works.send()
    await works.read()
    assert await works.states() == ["delivered"]
    assert len(works.fake.shown) == 1


async def test_a_number_outside_the_group_is_noticed(works: Works) -> None:
    """Its bridge says yes and nothing is there: sent, and never delivered."""
    works.fake.groups = [MOHADIN]
    works.post("DR9999999")
    works.post("DR9999999", MOHADIN)
    await works.read()
    assert await works.send() == 2
    await works.read()
    assert sorted(await works.states()) == ["delivered", "sent"]


async def test_another_environment_says_nothing(
    dev_url: str, file: BridgeFile, fake: FakeBridge, clean_database: None
) -> None:
    async with open_database(dev_url, "dev") as dev:
        business = await dev.run("add", world.velo_fibre)
        works = await opened(dev, business, file, fake)
        works.post("DR9999999", VELO)
        await works.read()
        assert await works.send() == 0
        assert await works.states() == ["captured"]
        await works.sender.aclose()
    assert fake.asked == 0


async def test_the_running_worker_answers_by_what_the_projects_file_says(
    db: Database, business: Business, file: BridgeFile, fake: FakeBridge, database_url: str
) -> None:
    folder = file.messages_path.parent.parent
    toml = folder / "tallybook.toml"
    toml.write_text(FILE + "[monitor.replies]\ngrace_minutes = 0\nper_minute = 1\n", encoding="utf-8")
    works = await opened(db, business, file, fake)
    settings = Settings.load({
        "TALLYBOOK_DATABASE_URL": database_url, "TALLYBOOK_DATA_DIR": str(folder / "data"),
        "TALLYBOOK_CONFIG": str(toml), "TALLYBOOK_BRIDGE_API_URL": fake.api,
        "TALLYBOOK_BRIDGE_SENDER_URL": fake.address,
    }, folder)  # fmt: skip
    stop = asyncio.Event()
    async with open_app(settings) as app, asyncio.timeout(60):
        working = asyncio.create_task(worker.work(app, stop))
        works.post("DR9999999")
        works.post("DR9999998")
        while sorted(await works.states()) != ["delivered", "waiting"]:
            await asyncio.sleep(0.1)  # what becomes of a row is told to nobody
        stop.set()
        await working
    assert len(fake.shown) == 1
    await works.sender.aclose()


async def test_a_worker_that_has_just_started_says_nothing_for_five_minutes(works: Works) -> None:
    works.post("DR9999999")
    await works.read()
    works.sender.limits = LIMITS
    assert await works.send() == 0
    assert await works.send(begun=time.monotonic() - 301) == 1


async def told(works: Works) -> list[tuple[str, str, str]]:
    """What health says of replies."""
    async with works.db.transaction() as conn:
        found = await reply_board.checks(conn, works.business, datetime.now(UTC))
    return [(check.name, check.state, check.says) for check in found]


async def test_health_says_how_answering_goes(works: Works) -> None:
    assert await told(works) == [("replies", "ok", "What is sent comes back.")]
    works.fake.groups = [MOHADIN]
    works.post("DR9999999")
    works.post("DR9999999", MOHADIN)
    await works.read()
    await works.send()
    await works.read()
    assert [state for _, state, _ in await told(works)] == ["ok"], "it may still come back"
    await works.rows("update outbox set done_at = now() - interval '11 minutes' where state = 'sent'")
    unseen = ("replies-unseen", "late", "1 message was sent and never seen in its group.")
    assert await told(works) == [unseen]
    works.post("DR9999998", MOHADIN)
    await works.read()
    works.fake.orders = ["disconnected"] * 3
    for _ in range(3):
        await works.send()
        await works.rows("update outbox set not_before = now()")
        await works.rows("update sending_lines set open_at = now()")
    failing = ("replies-failing", "late", reply_board.FAILING)
    assert await told(works) == [failing, unseen], "neither hides the other"
    async with works.db.transaction() as conn:
        await reply_board.stop(conn, people.command_line(works.business.id))
    assert await told(works) == [("replies", "late", reply_board.STOPPED), failing, unseen]


async def test_a_number_whose_messages_never_come_back_is_not_called_absent(works: Works) -> None:
    """Not every bridge writes its own messages down; from such a one, silence says nothing."""
    works.fake.messages_path = None
    works.post("DR9999999")
    await works.read()
    await works.send()
    await works.rows("update outbox set done_at = now() - interval '11 minutes'")
    assert {state for _, state, _ in await told(works)} == {"ok"}


SENDING = """
import asyncio, sys
from tallybook.channels.bridge.sender import Addresses, BridgeSender
from tallybook.core.db import open_database
from tallybook.core.rates import Limits
from tallybook.core.sending import Post, deliver

async def main():
    url, api, business_id = sys.argv[1:]
    async with open_database(url, "prod", size=2) as db:
        sender = BridgeSender(Addresses(api), Limits())
        await deliver(db, int(business_id), Post({"bridge": sender}, lease=1.0), asyncio.Event())

asyncio.run(main())
"""


async def test_a_worker_killed_after_the_bridges_yes_leads_to_no_second_reply(works: Works, database_url: str) -> None:
    works.fake.orders = ["slow"]
    works.post("DR9999999")
    await works.read()
    command = [sys.executable, "-c", SENDING, database_url, works.fake.api, str(works.business.id)]
    with subprocess.Popen(command) as process:
        async with asyncio.timeout(20):
            while not works.fake.shown:
                await asyncio.sleep(0.02)  # another process, which signals nothing
        process.kill()
    assert await works.states() == ["sending"]
    async with asyncio.timeout(20):
        while await works.states() != ["unknown"]:
            assert await works.send() == 0
            await asyncio.sleep(0.05)  # until the dead one's lease is over
    await works.read()
    assert await works.states() == ["delivered"]
    assert await works.send() == 0
    assert len(works.fake.shown) == 1
