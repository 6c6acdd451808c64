"""Tables written to a file, batch by batch: a million rows never lie in memory, and no cell is ever run as a formula.

The file is whole before anybody is sent a byte of it: an export that fails does not look like one that ended, and who
downloads slowly holds no connection of the database.
"""

from __future__ import annotations

import asyncio
import csv
import io
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from .errors import TooLarge
from .later import later
from .sheet_cells import csv_cell

if TYPE_CHECKING:
    import xlsxwriter
else:
    xlsxwriter = later("xlsxwriter")

MOST_ROWS = {"csv": 2_000_000, "xlsx": 500_000}  # XLSX has room for 1,048,576, and takes a minute for half of them
CHUNK = 65_536  # bytes
LONGEST_TEXT = 32_767  # characters in a cell of XLSX
KINDS = {
    "csv": "text/csv; charset=utf-8", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}  # fmt: skip
SAFE = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
Rows = Sequence[Sequence[object]]


@dataclass(frozen=True)
class Table:
    """A heading, and rows in batches. Moments among the cells are without a zone: those of the business's wall."""

    title: str
    head: Sequence[str]
    batches: AsyncGenerator[Rows, None]


class Writer(Protocol):
    def rows(self, rows: Iterable[Sequence[object]]) -> None: ...

    def close(self) -> None: ...


class _Csv:
    """UTF-8 with its mark, as Excel wants it."""

    def __init__(self, file: IO[bytes], table: Table) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._text)
        self._writer.writerow(table.head)

    def rows(self, rows: Iterable[Sequence[object]]) -> None:
        self._writer.writerows([csv_cell(_plain(value)) for value in row] for row in rows)

    def close(self) -> None:
        self._text.detach()


class _Xlsx:
    """One sheet, written row after row to the disk."""

    def __init__(self, file: IO[bytes], table: Table, folder: str) -> None:
        self._book = xlsxwriter.Workbook(file, {**SAFE, "tmpdir": folder})
        self._sheet = self._book.add_worksheet(table.title[:31])
        self._moment = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        bold = self._book.add_format({"bold": True, "bottom": 1})
        self._sheet.freeze_panes(1, 0)
        for column, name in enumerate(table.head):
            self._sheet.set_column(column, column, max(12, len(name) + 2))
            self._sheet.write_string(0, column, name, bold)
        self._next = 1

    def rows(self, rows: Iterable[Sequence[object]]) -> None:
        for row in rows:
            for column, value in enumerate(row):
                self._put(column, value)
            self._next += 1

    def _put(self, column: int, value: Any) -> None:
        place = (self._next, column)
        match value:
            case None | "":
                pass
            case bool():
                self._sheet.write_boolean(*place, value)
            case int() | float():
                self._sheet.write_number(*place, value)
            case datetime():
                self._sheet.write_datetime(*place, value, self._moment)
            case date():
                self._sheet.write_datetime(*place, value, self._day)
            case _:
                self._sheet.write_string(*place, str(value)[:LONGEST_TEXT])

    def close(self) -> None:
        self._book.close()


def _plain(value: object) -> object:
    """Moments are written to the second."""
    return value.isoformat(" ", "seconds") if isinstance(value, datetime) else value


@asynccontextmanager
async def written(kind: str, table: Table) -> AsyncIterator[Path]:
    """The table as a file of a kind of KINDS, which is gone when the block ends. Raises TooLarge above MOST_ROWS."""
    with tempfile.TemporaryDirectory(prefix="tallybook-export-") as folder:
        path = Path(folder) / f"table.{kind}"
        await _fill(kind, table, path)
        yield path


async def _fill(kind: str, table: Table, path: Path) -> None:
    # Closed here, whatever happens: a cursor that is left open would be closed in somebody else's transaction.
    async with aclosing(table.batches) as batches:
        await _write(kind, table, batches, path)


async def _write(kind: str, table: Table, batches: AsyncIterator[Rows], path: Path) -> None:
    with path.open("wb") as file:
        writer: Writer = _Csv(file, table) if kind == "csv" else _Xlsx(file, table, str(path.parent))
        total = 0
        try:
            async for rows in batches:
                total += len(rows)
                if total > MOST_ROWS[kind]:
                    raise TooLarge(
                        f"These are more than {MOST_ROWS[kind]:,} rows. Narrow the filters.", limit=MOST_ROWS[kind]
                    )
                await asyncio.to_thread(writer.rows, rows)
        finally:
            await asyncio.to_thread(writer.close)


async def chunks(path: Path) -> AsyncIterator[bytes]:
    """A file's bytes, a piece at a time."""
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, CHUNK):
            yield piece
