"""Files from a bridge: only from its own folder, never more than asked for, and a sentence where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallybook.channels.bridge.files import BridgeFiles, NotThere
from tests.channels.bridge.fake_downloads import FakeDownloads

CHAT = "120363000000000001@g.us"
MOST = 1000


async def had(fake: FakeDownloads, message: str = "M1") -> bytes:
    return await BridgeFiles(fake.api, fake.folder).fetch(message, CHAT, MOST)


async def test_a_file_is_read_from_the_bridge_s_folder_by_whatever_name_the_bridge_knows_it(tmp_path: Path) -> None:
    with FakeDownloads(tmp_path / "store", {("M1", CHAT): ("a.jpg", b"one")}) as fake:
        assert await had(fake) == b"one"
        fake.says = f"/app/store/{CHAT}/a.jpg"  # as a bridge in a container says it
        assert await had(fake) == b"one"


async def test_nothing_outside_the_bridge_s_folder_is_opened(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_bytes(b"secret")
    with FakeDownloads(tmp_path / "store", {("M1", CHAT): ("a.jpg", b"one")}) as fake:
        await had(fake)
        (tmp_path / "store" / "link").symlink_to(tmp_path / "secret.key")
        for path in (str(tmp_path / "secret.key"), "../secret.key", "/etc/passwd", "link", ".", str(tmp_path)):
            fake.says = path
            with pytest.raises(NotThere, match="not in the bridge's folder"):
                await had(fake)


async def test_no_more_is_read_than_one_byte_over_what_is_allowed(tmp_path: Path) -> None:
    with FakeDownloads(tmp_path, {("M1", CHAT): ("a.jpg", b"x" * 5000)}) as fake:
        assert len(await had(fake)) == MOST + 1


async def test_why_there_is_no_file_is_said_in_a_sentence(tmp_path: Path) -> None:
    with FakeDownloads(tmp_path) as fake:
        with pytest.raises(NotThere, match="could not download"):
            await had(fake)
        fake.broken = True
        with pytest.raises(NotThere, match="cannot be understood"):
            await had(fake)
    with pytest.raises(NotThere, match="cannot be reached"):
        await had(fake)
