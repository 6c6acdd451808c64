"""Lists of valid drops: read whole or not at all, as often as one likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.monitor.service import validity
from tallybook.monitor.service.validity import Entry, Imported
from tallybook.monitor.store import filing
from tallybook.monitor.store.filing import Listed


def a_list(folder: Path, text: str) -> Path:
    path = folder / "drops.csv"
    path.write_text(text, encoding="utf-8-sig")
    return path


def test_a_list_is_read_as_spreadsheets_write_it(tmp_path: Path) -> None:
    file = a_list(tmp_path, "DR nr,Site\ndr 1752104,Lawley\nDR:1733787 , Mohadin \n,\nDR1752104,Lawley\n")
    assert validity.read_list(file, None) == [Entry("DR1733787", "Mohadin"), Entry("DR1752104", "Lawley")]


async def test_one_drop_may_be_valid_for_several_projects(conn: Conn, business: Business) -> None:
    await validity.add(conn, business, [Entry("DR1752104", "Lawley"), Entry("DR1752104", "Mohadin")])
    found = await filing.listed(conn, business.id, ["DR1752104"], ["Lawley"])
    assert found == Listed({("DR1752104", "Lawley"), ("DR1752104", "Mohadin")})


async def test_a_list_may_be_read_again_and_what_is_known_stays(conn: Conn, business: Business) -> None:
    entries = [Entry("DR1752104", "Lawley"), Entry("DR1733787", "Lawley")]
    assert await validity.add(conn, business, entries[:1]) == Imported(1, 0)
    assert await validity.add(conn, business, entries) == Imported(1, 1)


@pytest.mark.parametrize(
    ("text", "project", "says"),
    [
        ("number,project\nDR1752104,Lawley\n", None, "No column is headed “drop_number”"),
        ("drop_number\nDR1752104\n", None, "row 2: It does not say which project"),
        ("drop_number,project\nDR1752104,Lawley\nDR1733787,\n", None, "row 3: It does not say which project"),
        ("drop_number\nDR123456789012345678901\n", "Lawley", "This is not a drop number"),
        ("", "Lawley", "The first row has: nothing"),
    ],
)
def test_a_list_that_cannot_be_used_says_why_and_imports_nothing(
    tmp_path: Path, text: str, project: str | None, says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        validity.read_list(a_list(tmp_path, text), project)
