"""The promise: what is read was committed as a whole, and the writer is not kept waiting for it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallybook.channels.bridge import snapshot
from tallybook.channels.bridge.snapshot import Disturbed, guarded, look, once
from tallybook.channels.bridge.watch import Watch
from tallybook.core.errors import SourceUnreadable
from tests.channels.bridge import impatient_writer
from tests.channels.bridge.bridge_file import LAWLEY, MORNING, BridgeFile

SECONDS = 2.0


def balance(connection: sqlite3.Connection) -> int:
    ours = connection.execute("select sum(amount) from ours").fetchone()[0]
    theirs = connection.execute("select sum(amount) from theirs").fetchone()[0]
    return int(ours + theirs)


def messages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("select count(*) from messages").fetchone()[0])


@contextmanager
def writing(path: Path, journal_mode: str) -> Iterator[dict[str, int]]:
    """Let the impatient writer work meanwhile, and tell what it met with."""
    impatient_writer.build(str(path))
    command = [sys.executable, impatient_writer.__file__, str(path), journal_mode]
    met: dict[str, int] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
        yield met
        out, _ = writer.communicate("stop\n")
        met.update(json.loads(out))


@pytest.mark.parametrize("journal_mode", ["delete", "truncate", "persist"])
def test_a_guarded_read_never_blocks_the_writer_and_is_never_torn(tmp_path: Path, journal_mode: str) -> None:
    reads = wrong = 0
    with writing(tmp_path / "m.db", journal_mode) as met:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                wrong += once(tmp_path / "m.db", balance) != 0
                reads += 1
            except Disturbed:
                snapshot.pause(0)
    assert (wrong, met["blocked"]) == (0, 0)
    assert reads > 20
    assert met["commits"] > 20


def test_a_wal_file_is_read_without_blocking_its_writer(tmp_path: Path) -> None:
    reads = wrong = 0
    with writing(tmp_path / "m.db", "wal") as met:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            wrong += guarded(tmp_path / "m.db", balance) != 0
            reads += 1
    assert (wrong, met["blocked"]) == (0, 0)
    assert reads > 20
    assert met["commits"] > 20


HALF = """
insert into messages (id, chat_jid, content)
with recursive n (i) as (select 1 union all select i + 1 from n where i < 300)
select 'half ' || i, '120363000000000001@g.us', hex(zeroblob(1000)) from n
"""


def half_written(bridge: BridgeFile) -> None:
    """Leave a transaction open whose pages are in the file already, since they did not fit into the writer's cache."""
    bridge.execute("pragma cache_size = 2")
    bridge.execute("begin immediate")
    bridge.execute(HALF)


def test_a_transaction_that_has_not_reached_the_file_is_no_obstacle(tmp_path: Path) -> None:
    with BridgeFile(tmp_path) as bridge:
        bridge.post(LAWLEY, "committed")
        bridge.execute("begin immediate")
        bridge.execute("insert into messages (id, chat_jid) values ('pending', ?)", (LAWLEY,))
        assert once(bridge.messages_path, messages) == 1
        bridge.execute("commit")
        assert once(bridge.messages_path, messages) == 2


def test_one_that_has_is_waited_for_and_then_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "BUSY_SECONDS", 0.01)
    with BridgeFile(tmp_path) as bridge:
        bridge.post(LAWLEY, "committed")
        half_written(bridge)
        with pytest.raises(Disturbed):
            once(bridge.messages_path, messages)
        with pytest.raises(SourceUnreadable, match="locked by another program"):
            guarded(bridge.messages_path, messages, tries=2)
        bridge.execute("rollback")
        assert guarded(bridge.messages_path, messages) == 1


CRASH = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("pragma cache_size = 5")
connection.execute("begin immediate")
connection.execute("update messages set content = 'never said'")
os.kill(os.getpid(), 9)
"""


def crashed(folder: Path) -> Path:
    """A file whose bridge was killed while its pages were half in the file."""
    with BridgeFile(folder) as bridge:
        bridge.post_many((f"A{n}", LAWLEY, "27820000001", "said " * 80, MORNING) for n in range(500))
    subprocess.run([sys.executable, "-c", CRASH, str(bridge.messages_path)], check=False)
    assert journal(bridge.messages_path).stat().st_size > 0
    return bridge.messages_path


def journal(path: Path) -> Path:
    return Path(f"{path}-journal")


def left_behind(path: Path) -> None:
    """Let a while pass since the crash."""
    os.utime(journal(path), (time.time() - 60, time.time() - 60))


def unsaid(connection: sqlite3.Connection) -> int:
    return int(connection.execute("select count(*) from messages where content = 'never said'").fetchone()[0])


def test_what_a_killed_bridge_left_half_written_is_never_read(tmp_path: Path) -> None:
    path = crashed(tmp_path)
    with pytest.raises(Disturbed):
        once(path, unsaid)
    with pytest.raises(SourceUnreadable, match="just now"):
        guarded(path, unsaid, tries=2)
    left_behind(path)
    assert guarded(path, unsaid, tries=2) == 0
    assert once(path, unsaid) == 0


def test_where_we_may_not_mend_a_half_written_file_a_sentence_says_who_does(tmp_path: Path) -> None:
    path = crashed(tmp_path)
    left_behind(path)
    said = as_nobody(path)
    assert "stopped in the middle of writing" in said
    assert "Start the bridge again" in said


def test_a_wal_file_in_a_directory_that_is_not_ours_can_be_read(tmp_path: Path) -> None:
    with BridgeFile(tmp_path / "a", journal_mode="wal") as bridge:
        bridge.post(LAWLEY, "committed")
    assert as_nobody(bridge.messages_path) == "1"


AS_NOBODY = """
import os, sqlite3, sys
from pathlib import Path
from tallybook.channels.bridge.snapshot import guarded
from tallybook.core.errors import SourceUnreadable
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    print(guarded(Path(sys.argv[1]), lambda c: c.execute("select count(*) from messages").fetchone()[0], tries=1))
except SourceUnreadable as error:
    print(error.message)
"""


def as_nobody(path: Path) -> str:
    """Read a copy as a user who may read the file and its directory but write neither."""
    with tempfile.TemporaryDirectory() as open_to_all:  # the folders of pytest are closed to other users
        folder = Path(open_to_all)
        for file in path.parent.iterdir():
            shutil.copy2(file, folder)
            (folder / file.name).chmod(0o444)
        folder.chmod(0o555)
        command = [sys.executable, "-c", AS_NOBODY, str(folder / path.name)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        folder.chmod(0o755)
    return said


@pytest.mark.parametrize("name", ["what?", "a#b", "100%", "50%20off", "a b", "קבוצה", "a&mode=rw", "'\"", "ü\n"])
@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_any_path_can_be_read(tmp_path: Path, name: str, journal_mode: str) -> None:
    with BridgeFile(tmp_path / name, journal_mode=journal_mode) as bridge:
        bridge.post(LAWLEY, "here")
        assert guarded(bridge.messages_path, messages) == 1


def test_a_link_is_followed_to_where_the_journal_is(tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    with BridgeFile(tmp_path / "real") as bridge:
        bridge.post(LAWLEY, "committed")
        link.symlink_to(bridge.messages_path)
        half_written(bridge)
        with pytest.raises(Disturbed):
            once(link, messages)
        bridge.execute("commit")
        assert once(link, messages) == 301


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_a_watch_notices_each_commit_and_nothing_else(tmp_path: Path, journal_mode: str) -> None:
    with BridgeFile(tmp_path, journal_mode=journal_mode) as bridge:
        bridge.post(LAWLEY, "one")
        watch = Watch(bridge.messages_path)
        before = watch.token()
        assert watch.token() == before
        bridge.edit(LAWLEY, "nobody", "nothing")
        guarded(bridge.messages_path, messages)
        unchanged = watch.token()
        bridge.post(LAWLEY, "two")
        assert watch.token() != unchanged
        watch.close()


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_a_watch_notices_another_file_in_the_place_of_the_first(tmp_path: Path, journal_mode: str) -> None:
    for name in ("a", "b"):
        with BridgeFile(tmp_path / name, journal_mode=journal_mode) as bridge:
            bridge.post(LAWLEY, "one")
    watch = Watch(tmp_path / "a" / "messages.db")
    before = watch.token()
    (tmp_path / "b" / "messages.db").replace(tmp_path / "a" / "messages.db")
    assert watch.token() != before
    watch.close()


def test_reading_the_header_does_not_unlock_a_read_in_another_thread(tmp_path: Path) -> None:
    with BridgeFile(tmp_path, timeout=0) as bridge:
        bridge.post(LAWLEY, "one")
        look(bridge.messages_path)
        holder = sqlite3.connect(bridge.messages_path, isolation_level=None)
        holder.execute("begin")
        holder.execute("select count(*) from messages").fetchone()
        look(bridge.messages_path)
        assert subprocess.run([sys.executable, "-c", WRITE, str(bridge.messages_path)], check=False).returncode == 1
        holder.close()


WRITE = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0).execute("delete from messages")
except sqlite3.OperationalError:
    sys.exit(1)
"""


def test_a_file_that_goes_away_is_reported(tmp_path: Path) -> None:
    with BridgeFile(tmp_path) as bridge:
        bridge.post(LAWLEY, "one")
    assert guarded(bridge.messages_path, messages) == 1
    bridge.messages_path.unlink()
    with pytest.raises(SourceUnreadable, match="There is no file"):
        guarded(bridge.messages_path, messages)
