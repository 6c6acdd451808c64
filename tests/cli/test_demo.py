"""The demo: one command, and every page shows something; nothing is left behind when it ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tallybook.cli.demo import demo_settings
from tallybook.demo import day, talks
from tallybook.demo.bridge import TURNS, Bridge
from tallybook.demo.bridge_file import BridgeFile
from tallybook.demo.customers import Provider
from tallybook.monitor import rules
from tallybook.settings import Settings

PATTERN = rules.compile_pattern(None)
LIST = "/api/wa-monitor-drops?from=&to="
THREADS = "/api/crm/threads"


def eventually(condition: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)  # another process, which signals nothing


def processes_of(folder: Path) -> list[str]:
    """Every process that was started on the folder, or works in it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                continue
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            if str(folder).encode() in words:
                found.append((entry / "cmdline").read_text().replace("\0", " "))
    return found


class Demo:
    """``tallybook demo`` in a folder, as somebody starts it in a terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TALLYBOOK_")}
        environ |= {"TALLYBOOK_PORT": str(self.port), "TALLYBOOK_DATA_DIR": str(self.folder)}
        with (self.folder / "out").open("wb") as out, (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tallybook", "demo", "--every", "0.2"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=log, env=environ, start_new_session=True,
            )  # fmt: skip
        eventually(lambda: self.answers() and "Log in as" in self.said())

    def said(self) -> str:
        return (self.folder / "out").read_text()

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()[-3000:]
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{self.port}/login").status_code == 200
        return False

    def end(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(60)

    @contextlib.contextmanager
    def visitor(self) -> Iterator[httpx.Client]:
        """Somebody who logs in with what the demo says."""
        password = re.search(r"Log in as admin with the demo's password (\S+)", self.said())
        assert password, self.said()
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", follow_redirects=True) as client:
            hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', client.get("/login").text)
            form = {**dict(hidden), "login": "admin", "password": password[1]}
            assert client.post("/login", data=form).url.path == "/wa-monitor"
            yield client


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    if demo.process is not None and demo.process.poll() is None:
        demo.end(signal.SIGINT)


def total(visitor: httpx.Client, query: str = "") -> int:
    return int(visitor.get(LIST + query).json()["data"]["total"])


def customers_write(visitor: httpx.Client) -> None:
    """They came through the door, and somebody did something with them."""
    eventually(lambda: len(visitor.get(THREADS).json()["data"]["threads"]) == len(talks.PAST), 30)
    eventually(lambda: len(visitor.get(f"{THREADS}?show=snoozed").json()["data"]["threads"]) == 1, 30)
    assert "Naledi Khumalo" in visitor.get("/inbox").text


def somebody_tries_slack(demo: Demo) -> None:
    """At the address that the demo says, as one of its people: a command, the home tab, a question to the app."""
    said = re.search(r"as people do in Slack: (\S+)", demo.said())
    assert said, demo.said()
    with httpx.Client(base_url=said[1], follow_redirects=True) as client:
        me = next(iter(re.findall(r'href="(/as/\w+)">Thandi Nkosi<', client.get("/").text)))
        opened = client.post(f"{me}/command", data={"command": "/triage-schedule"}).text
        assert "<dialog open>" in opened
        assert "UI engineering" in opened, "the demo's own rota"
        client.post(f"{me}/close")
        client.post(f"{me}/home")
        eventually(lambda: "My shifts" in client.get(me).text, 30)
        before = client.get(me).text.count("UI engineering")
        client.post(f"{me}/say", data={"text": "Who is on?", "channel": "C0TRIAGE"})
        eventually(lambda: client.get(me).text.count("UI engineering") > before, 30)
        assert "On duty: " in client.get(me).text, "the channel's topic"


def test_the_demo_shows_something_everywhere_gets_posts_goes_on_and_leaves_nothing(demo: Demo) -> None:
    demo.start()
    with demo.visitor() as visitor:
        assert total(visitor) > 100
        for query in ("&show=complete", "&show=open", "&posted=again", "&project=Lawley", "&project=Velo Test"):
            assert total(visitor, query) > 0, query
        assert visitor.get("/wa-monitor").status_code == 200
        assert any(count["usual"] != [0] * 14 for count in visitor.get("/api/wa-monitor-daily-drops").json()["data"])
        before = total(visitor)
        eventually(lambda: total(visitor) > before, 20)
        seen = total(visitor)
        customers_write(visitor)
        assert "Thandi Nkosi" in visitor.get("/triage").text
    somebody_tries_slack(demo)
    demo.end(signal.SIGKILL)
    # The database of a killed product is ended by its next start; the product's own processes end at once.
    eventually(lambda: not [line for line in processes_of(demo.folder) if "postgres" not in line], 20)
    demo.start()  # goes on where it was, with the same password
    with demo.visitor() as visitor:
        assert total(visitor) >= seen
    assert demo.end(signal.SIGINT) == 0
    eventually(lambda: not processes_of(demo.folder), 20)


@pytest.mark.soak
def test_the_demo_is_ended_and_started_as_often_as_one_likes(demo: Demo) -> None:
    for how in (signal.SIGINT, signal.SIGTERM):
        demo.start()
        assert demo.end(how) == 0
        eventually(lambda: not processes_of(demo.folder), 20)
    demo.start()


def test_what_is_answered_in_the_demo_is_taken_delivered_and_read() -> None:
    provider = Provider(("127.0.0.1", 0))
    server = provider.start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}/v24.0/{talks.NUMBER}"
        sent = {"to": "27820000041", "type": "text", "text": {"body": "Hello"}, "biz_opaque_callback_data": "a key"}
        (taken,) = httpx.post(f"{address}/messages", json=sent).json()["messages"]
        told = [json.loads(body)["entry"][0]["changes"][0]["value"]["statuses"][0] for _, body in provider.due]
        assert [(one["id"], one["status"], one["biz_opaque_callback_data"]) for one in told] == [
            (taken["id"], status, "a key") for status in ("sent", "delivered", "read")
        ]
        assert httpx.post(f"{address}/media", content=b"").status_code == 400
    finally:
        server.shutdown()
        server.server_close()


def test_two_weeks_hold_all_that_the_pages_are_for() -> None:
    said = list(day.history(datetime(2025, 12, 2, 12, 0, tzinfo=UTC)))
    drops = {group.name: [d for one in said if one.chat == group.chat for d in rules.drops_in(one.text, PATTERN)]
             for group in day.GROUPS}  # fmt: skip
    assert [one.at for one in said] == sorted(one.at for one in said)
    assert len({(one.chat, one.id) for one in said}) == len(said)
    assert len({len(found) for found in drops.values()}) == len(day.GROUPS)
    assert set(drops["Lawley"]) & set(drops["Marketing Activations"])
    assert len(drops["Lawley"]) > len(set(drops["Lawley"]))
    valid = set(day.valid_drops())
    unknown = {drop for drop in drops["Lawley"] if (drop, "Lawley") not in valid}
    assert 0 < len(unknown) < 15
    assert any(len(rules.drops_in(one.text, PATTERN)) > 1 for one in said)
    assert any(one.photo and not one.text for one in said)
    assert {day.LATE_LID, day.KNOWN_LID} < {one.sender for one in said}
    assert all(re.fullmatch(r"278200000\d\d|987654321\d{5}", one.sender) for one in said)


def test_a_day_is_the_same_whenever_it_is_made_and_ends_now() -> None:
    tuesday = date(2025, 12, 2)
    assert day.day(tuesday) == day.day(tuesday)
    noon = datetime(2025, 12, 2, 12, 0, tzinfo=day.ZONE)
    assert max(one.at for one in day.history(noon)) <= noon
    assert set(day.history(noon)) < set(day.history(noon + timedelta(hours=5)))


def test_the_demo_keeps_its_hands_off_a_database_that_is_named(tmp_path: Path) -> None:
    """It would fill somebody's real tables with made-up posts."""

    given = Settings.load({"TALLYBOOK_DATABASE_URL": "postgresql://real@/real"}, tmp_path)
    made = demo_settings(given)
    assert (made.database_url, made.direct_database_url, made.owner_database_url) == (None, None, None)
    assert made.data_dir == tmp_path / "data" / "demo"
    assert made.config.parent == made.data_dir


def test_a_mistyped_post_is_mended_and_a_lid_is_learnt(tmp_path: Path) -> None:

    with BridgeFile(tmp_path) as file:
        bridge = Bridge(file)
        for _ in range(2 * len(TURNS) + 1):
            bridge.turn()
    with contextlib.closing(sqlite3.connect(tmp_path / "messages.db")) as messages:
        texts = [row[0] for row in messages.execute("select content from messages where content like 'DR%'")]
    assert all(rules.drops_in(text, PATTERN) for text in texts)
    with contextlib.closing(sqlite3.connect(tmp_path / "whatsapp.db")) as session:
        assert session.execute("select lid, pn from whatsmeow_lid_map").fetchall() == [
            (day.LATE_LID, day.LATE_LID_PHONE)
        ]
