"""What the spool promises: what was appended is replayed, whatever happens to the process or to the disk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import stat
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallybook.core import spool as spool_module
from tallybook.core.errors import Unavailable, WrongSetup
from tallybook.core.spool import Replayed, Spool, SpoolFull, SpoolUnwritable, limit, status, used
from tallybook.core.spool_records import HEADER_BYTES, MAGIC, Damaged, Record, encode, scan

LIMIT = 50_000_000

CHILD = """
import asyncio, resource, sys
from pathlib import Path
from tallybook.core.spool import Spool, SpoolFull

async def append_for_ever(spool, name):
    number = 0
    while True:
        number += 1
        await spool.append(f"{name}-{number}:".encode() + b"x" * (number * 37 % 3000))
        print(f"{name}-{number}", flush=True)

async def until_full(spool):
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    kept = 0
    try:
        while True:
            await spool.append(b"y" * 500)
            kept += 1
    except SpoolFull:
        print(f"full after {kept}", flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    await spool.append(b"small")
    print("small kept", flush=True)

async def hold(spool):
    await spool.append(b"held")
    print("ready", flush=True)
    await asyncio.sleep(60)

async def main(folder, role):
    async with Spool.open(Path(folder), 50_000_000) as spool:
        if role == "append":
            await asyncio.gather(*(append_for_ever(spool, name) for name in "abcdefgh"))
        await {"full": until_full, "hold": hold}[role](spool)

asyncio.run(main(*sys.argv[1:]))
"""


class Taken:
    """A handler that keeps what it was given."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.batches: list[int] = []

    async def __call__(self, records: list[bytes]) -> None:
        self.records += records
        self.batches.append(len(records))


@contextlib.asynccontextmanager
async def child(folder: Path, role: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(folder), role, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        process._transport.close()


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def replay_all(folder: Path) -> tuple[list[bytes], Replayed]:
    taken = Taken()
    async with Spool.open(folder, LIMIT) as spool:
        replayed = await spool.replay(taken)
    return taken.records, replayed


async def leave_behind(folder: Path, *records: bytes) -> Path:
    """Append records as a process does that then dies; give its only segment."""
    async with Spool.open(folder, LIMIT) as spool:
        for record in records:
            await spool.append(record)
    (segment,) = folder.glob("*/*.log")
    return segment


async def test_what_was_appended_is_replayed_once_and_then_gone(tmp_path: Path) -> None:
    records = [b"", b"one", "שלום".encode(), MAGIC * 20, os.urandom(100_000)]
    taken = Taken()
    async with Spool.open(tmp_path / "spool", LIMIT) as spool:
        for record in records:
            await spool.append(record)
        assert used.collect()[0].samples[0].value > sum(map(len, records)), "what lies there is a metric"
        assert limit.collect()[0].samples[0].value == LIMIT
        assert await spool.replay(taken) == Replayed(records=5)
        assert await spool.replay(taken) == Replayed()
        await spool.append(b"later")
        assert await spool.replay(taken) == Replayed(records=1)
    assert taken.records == [*records, b"later"]
    assert list((tmp_path / "spool").iterdir()) == []


async def test_concurrent_appends_share_their_fsyncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(spool_module.os, "fsync", lambda file: (synced.append(file), real(file))[1])
    async with Spool.open(tmp_path, LIMIT) as spool:
        await asyncio.gather(*(spool.append(b"%d" % number) for number in range(500)))
        assert len(synced) < 20
    records, _ = await replay_all(tmp_path)
    assert sorted(records) == sorted(b"%d" % number for number in range(500))


async def test_batches_are_as_large_as_asked(tmp_path: Path) -> None:
    taken = Taken()
    async with Spool.open(tmp_path, LIMIT) as spool:
        await asyncio.gather(*(spool.append(b"x") for _ in range(25)))
        await spool.replay(taken, batch=10)
    assert taken.batches == [10, 10, 5]


async def test_a_torn_tail_is_cut_at_whatever_byte_it_was_torn(tmp_path: Path) -> None:
    segment = await leave_behind(tmp_path / "whole", b"first", b"second", b"the last record")
    whole = segment.read_bytes()
    start = len(whole) - HEADER_BYTES - len(b"the last record")
    for length in range(start, len(whole) + 1):
        folder = tmp_path / f"torn-{length}"
        shutil.copytree(tmp_path / "whole", folder)
        os.truncate(folder / segment.relative_to(tmp_path / "whole"), length)
        last = [b"the last record"] if length == len(whole) else []
        records, replayed = await replay_all(folder)
        assert records == [b"first", b"second", *last]
        assert replayed.quarantined == 0
        assert list(folder.iterdir()) == []


async def test_a_tail_of_zeros_left_by_the_file_system_is_cut(tmp_path: Path) -> None:
    segment = await leave_behind(tmp_path, b"kept")
    segment.write_bytes(segment.read_bytes() + bytes(4096))
    assert await replay_all(tmp_path) == ([b"kept"], Replayed(records=1))


async def test_a_flipped_bit_anywhere_costs_its_own_record_alone_and_the_bytes_are_kept(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    segment = await leave_behind(whole, b"first", b"the middle", b"third")
    data = segment.read_bytes()
    start = HEADER_BYTES + len(b"first")
    end = start + HEADER_BYTES + len(b"the middle")
    for offset in range(start, end):
        folder = tmp_path / f"flipped-{offset}"
        shutil.copytree(whole, folder)
        damaged = bytearray(data)
        damaged[offset] ^= 0x10
        (folder / segment.relative_to(whole)).write_bytes(damaged)
        records, replayed = await replay_all(folder)
        assert records == [b"first", b"third"]
        assert replayed == Replayed(records=2, quarantined=1)
        (kept,) = (folder / "quarantine").iterdir()
        assert kept.read_bytes() == damaged[start:end]
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        seen = await status(folder)
        assert (seen.records, seen.quarantined, seen.bytes) == (0, 1, end - start)
        assert await replay_all(folder) == ([], Replayed())


async def test_a_damaged_last_record_is_kept_since_it_may_have_been_promised(tmp_path: Path) -> None:
    segment = await leave_behind(tmp_path, b"first", b"last")
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(data)
    assert await replay_all(tmp_path) == ([b"first"], Replayed(records=1, quarantined=1))


async def test_a_message_that_holds_a_record_is_never_taken_for_one(tmp_path: Path) -> None:
    forged = encode(b"a guess", 99, b"forged")
    segment = await leave_behind(tmp_path, b"first", forged, b"third")
    data = bytearray(segment.read_bytes())
    data[HEADER_BYTES + len(b"first") + 5] ^= 1
    segment.write_bytes(data)
    records, _ = await replay_all(tmp_path)
    assert records == [b"first", b"third"]


@pytest.mark.parametrize("attempt", range(4))
async def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path, attempt: int) -> None:
    acknowledged: list[str] = []
    async with child(tmp_path, "append") as process:
        acknowledged += [await line_of(process) for _ in range(random.Random(attempt).randrange(20, 400))]
        os.kill(process.pid, signal.SIGKILL)
        while line := await line_of(process):
            acknowledged.append(line)
    records, replayed = await replay_all(tmp_path)
    names = {record.split(b":")[0].decode() for record in records}
    assert len(acknowledged) > 20
    assert set(acknowledged) <= names
    assert len(records) == len(names)
    assert replayed.quarantined == 0
    assert list(tmp_path.iterdir()) == []


async def test_a_living_process_keeps_its_records_to_itself(tmp_path: Path) -> None:
    async with child(tmp_path, "hold") as process:
        assert await line_of(process) == "ready"
        assert await replay_all(tmp_path) == ([], Replayed())
        seen = await status(tmp_path)
        assert (seen.records, seen.folders) == (1, 1)
        assert seen.oldest_at is not None
        assert timedelta(0) <= datetime.now(UTC) - seen.oldest_at < timedelta(minutes=1)
    assert await replay_all(tmp_path) == ([b"held"], Replayed(records=1))


async def test_orphans_replayed_by_several_at_once_lose_nothing_and_are_never_handled_by_two_together(
    tmp_path: Path,
) -> None:
    expected = []
    for folder in range(6):
        async with Spool.open(tmp_path, LIMIT) as spool:
            expected += [b"%d-%d" % (folder, number) for number in range(20)]
            await asyncio.gather(*(spool.append(record) for record in expected[-20:]))
    busy: set[bytes] = set()
    handled: list[bytes] = []

    async def handle(records: list[bytes]) -> None:
        folder = records[0].split(b"-")[0]
        assert folder not in busy
        busy.add(folder)
        await asyncio.sleep(0)  # whoever else would handle the same folder does
        handled.extend(records)
        busy.remove(folder)

    async with contextlib.AsyncExitStack() as stack:
        spools = [await stack.enter_async_context(Spool.open(tmp_path, LIMIT)) for _ in range(3)]
        results = await asyncio.gather(*(spool.replay(handle, batch=7) for spool in spools))
    assert sorted(handled) == sorted(expected)
    assert sum(result.records for result in results) == len(expected)
    assert list(tmp_path.iterdir()) == []


async def test_a_full_spool_refuses_discards_nothing_and_takes_again_after_a_replay(tmp_path: Path) -> None:
    taken = Taken()
    async with Spool.open(tmp_path, 10_000) as spool:
        for _ in range(9):
            await spool.append(b"z" * 1000)
        with pytest.raises(SpoolFull) as refused:
            await spool.append(b"z" * 1000)
        assert isinstance(refused.value, Unavailable)
        await spool.append(b"there is room for a small one")
        assert (await status(tmp_path)).bytes <= 10_000
        assert (await spool.replay(taken)).records == 10
        await spool.append(b"z" * 1000)


async def test_within_one_commit_only_the_records_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    async with Spool.open(tmp_path, 5_000) as spool:
        outcomes = await asyncio.gather(*(spool.append(b"z" * 1000) for _ in range(20)), return_exceptions=True)
    assert sum(1 for outcome in outcomes if outcome is None) == 4
    assert sum(1 for outcome in outcomes if isinstance(outcome, SpoolFull)) == 16
    assert len((await replay_all(tmp_path))[0]) == 4


async def test_a_disk_without_room_is_a_full_spool_and_what_was_promised_stays(tmp_path: Path) -> None:
    async with child(tmp_path, "full") as process:
        assert await line_of(process) == "full after 5"
        assert await line_of(process) == "small kept"
    records, replayed = await replay_all(tmp_path)
    assert records == [b"y" * 500] * 5 + [b"small"]
    assert replayed == Replayed(records=6)


async def test_after_a_failed_fsync_the_segment_is_left_and_the_next_record_goes_to_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(file: int) -> None:
        raise OSError(5, "Input/output error")

    async with Spool.open(tmp_path, LIMIT) as spool:
        await spool.append(b"before")
        with monkeypatch.context() as patch:
            patch.setattr(spool_module.os, "fsync", broken)
            with pytest.raises(SpoolUnwritable):
                await spool.append(b"refused")
        await spool.append(b"after")
        assert len(list(tmp_path.glob("*/*.log"))) == 2
    assert (await replay_all(tmp_path))[0] == [b"before", b"after"]


async def test_files_and_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o755)
    await leave_behind(folder, b"private")
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


async def test_a_folder_that_cannot_be_used_is_a_wrong_setup(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongSetup, match="spool folder"):
        async with Spool.open(tmp_path / "file" / "spool", LIMIT):
            pass


async def test_a_failing_handler_keeps_its_records_and_acknowledged_ones_do_not_come_again(tmp_path: Path) -> None:
    taken = Taken()

    async def fail_at_third(records: list[bytes]) -> None:
        if b"5" in records:
            raise ConnectionRefusedError("the database is away")
        await taken(records)

    async with Spool.open(tmp_path, LIMIT) as spool:
        for number in range(8):
            await spool.append(b"%d" % number)
        with pytest.raises(ConnectionRefusedError):
            await spool.replay(fail_at_third, batch=2)
        assert taken.records == [b"0", b"1", b"2", b"3"]
        assert (await status(tmp_path)).records == 4
    records, _ = await replay_all(tmp_path)
    assert records == [b"4", b"5", b"6", b"7"]


async def test_replaying_twice_is_harmless_when_the_note_of_the_first_was_lost(tmp_path: Path) -> None:
    segment = await leave_behind(tmp_path, b"one", b"two")
    copy = tmp_path.parent / "copy.log"
    shutil.copy(segment, copy)
    first, _ = await replay_all(tmp_path)
    segment.parent.mkdir(mode=0o700)
    shutil.move(copy, segment)
    second, _ = await replay_all(tmp_path)
    assert first == second == [b"one", b"two"]


async def test_an_unreadable_neighbour_is_counted_and_stops_nobody(tmp_path: Path) -> None:
    await leave_behind(tmp_path, b"good")
    lost = tmp_path / "00000000-0000-4000-8000-000000000000"
    (lost / "00000001.log").mkdir(parents=True)
    records, replayed = await replay_all(tmp_path)
    assert records == [b"good"]
    assert replayed == Replayed(records=1, left=1)


async def test_a_cancelled_append_harms_no_other(tmp_path: Path) -> None:
    async with Spool.open(tmp_path, LIMIT) as spool:
        tasks = [asyncio.create_task(spool.append(b"%d" % number)) for number in range(10)]
        await asyncio.sleep(0)  # all are in hand
        tasks[3].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [outcome for outcome in outcomes if outcome is not None] == [outcomes[3]]
    assert len((await replay_all(tmp_path))[0]) >= 9


async def test_a_segment_that_is_large_enough_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 1000)
    async with Spool.open(tmp_path, LIMIT) as spool:
        for _ in range(10):
            await spool.append(b"s" * 400)
        assert len(list(tmp_path.glob("*/*.log"))) == 4
    assert len((await replay_all(tmp_path))[0]) == 10


async def test_appends_go_on_while_a_replay_waits_for_its_handler(tmp_path: Path) -> None:
    released = asyncio.Event()
    taken = Taken()

    async def slow(records: list[bytes]) -> None:
        await released.wait()
        await taken(records)

    async with Spool.open(tmp_path, LIMIT) as spool:
        await spool.append(b"before")
        replay = asyncio.create_task(spool.replay(slow))
        await asyncio.sleep(0)  # the replay begins
        await spool.append(b"meanwhile")
        released.set()
        await replay
        await spool.replay(slow)
        with contextlib.suppress(SpoolUnwritable):
            await spool.append(b"after")
    assert taken.records == [b"before", b"meanwhile"]
    with pytest.raises(SpoolUnwritable):
        await spool.append(b"closed")


async def test_an_empty_or_absent_spool_has_an_empty_status(tmp_path: Path) -> None:
    seen = await status(tmp_path / "absent")
    assert (seen.records, seen.bytes, seen.oldest_at, seen.quarantined, seen.folders) == (0, 0, None, 0, 0)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=20))
def test_any_records_come_back_as_they_were(payloads: list[bytes]) -> None:
    data = b"".join(encode(b"salt", number, payload) for number, payload in enumerate(payloads, 1))
    pieces = list(scan(b"salt", data))
    assert [piece.payload for piece in pieces if isinstance(piece, Record)] == payloads
    assert len(pieces) == len(payloads)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=60), min_size=2, max_size=6), st.data())
def test_any_overwritten_stretch_costs_only_the_records_it_touches(payloads: list[bytes], draw: st.DataObject) -> None:
    parts = [encode(b"salt", number, payload) for number, payload in enumerate(payloads, 1)]
    data = bytearray(b"".join(parts))
    start = draw.draw(st.integers(0, len(data) - 1))
    end = min(len(data), start + draw.draw(st.integers(1, 40)))
    for offset in range(start, end):
        data[offset] ^= 0xFF
    untouched, at = [], 0
    for number, part in enumerate(parts, 1):
        if at + len(part) <= start or at >= end:
            untouched.append(number)
        at += len(part)
    pieces = list(scan(b"salt", bytes(data)))
    assert [piece.sequence for piece in pieces if isinstance(piece, Record)] == untouched
    assert all(isinstance(piece, Record | Damaged) for piece in pieces)
