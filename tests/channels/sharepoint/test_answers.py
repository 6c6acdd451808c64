"""What a server, or a proxy in front of it, may answer."""

from __future__ import annotations

import httpx
import pytest

from tallybook.channels.sharepoint.answers import missing_columns
from tallybook.channels.sharepoint.calls import DAY, KEY, NUMBERS, PROJECT
from tallybook.channels.sharepoint.wire import _json


@pytest.mark.parametrize("content", [b'"\xff"', b'{"a": "\xff"}', b"[" * 5000, b"<html>", b""])
def test_what_is_no_json_is_no_answer_and_no_crash(content: bytes) -> None:
    assert _json(httpx.Response(200, content=content)) is None


@pytest.mark.parametrize("gone", [KEY, DAY, PROJECT, *NUMBERS])
def test_every_column_that_is_written_must_be_there(gone: str) -> None:
    """SharePoint refuses an item whole that names a column it has not."""
    columns = [{"name": name, "enforceUniqueValues": name == KEY} for name in (KEY, DAY, PROJECT, *NUMBERS)]
    assert missing_columns({"columns": columns}) == []
    left = [column for column in columns if column["name"] != gone]
    assert missing_columns({"columns": left}) == [f"the column {gone} is missing"]
