"""What a PostgreSQL server recorded of refused rows, of whatever program: its csvlog or jsonlog.

Files are read line by line, whatever their size. No value of a row leaves them: of a key its columns are kept.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import IO, cast

import msgspec

from tallybook.core.errors import WrongSetup

from .log_message import CHECK, EXCLUSION, FOREIGN_KEY, NO_ARBITER, UNIQUE, Entry, Said, read_message
from .log_time import moment

STATES = frozenset({UNIQUE, FOREIGN_KEY, CHECK, EXCLUSION, NO_ARBITER})
# csvlog: time, user, database, process. What begins so is a record, unless it stands within another one's text.
START = re.compile(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [^,"]+,(?:"[^\n]*?")?,(?:"[^\n]*?")?,\d*,')
FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r?\n?\Z)')
# PostgreSQL 15 to 18 write 26 fields; 13 and later releases have all that is read here.
FEWEST_FIELDS = 23
# A record of more lines is taken for broken, so that a torn one cannot swallow the rest of a file.
MOST_LINES = 5_000
# So many lines are looked at for the first record.
FIRST_LINES = 1_000


JSON_START = '{"timestamp"'  # within a text it would be written with backslashes
NEITHER = (
    "{file} is neither PostgreSQL's csvlog nor its jsonlog. Set log_destination = 'jsonlog' (or 'csvlog') and "
    "logging_collector = on in postgresql.conf; the plain log cannot be read reliably."
)


class Form(StrEnum):
    """The two forms of a log that programs can read."""

    CSV = "csvlog"
    JSON = "jsonlog"


class Step(msgspec.Struct, frozen=True):
    """A record, of so many lines, and what it tells of a refused row: nothing, or None where it could not be read.

    ``whole`` is false of one whose end had not come when the lines ended.
    """

    lines: int
    told: tuple[Entry | None, ...]
    whole: bool = True


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """Refusals of one kind by one constraint. ``programs`` are application names, with how often each met it."""

    state: str
    said: Said
    database: str
    times: int
    first: datetime
    last: datetime
    programs: dict[str, int]


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """What files held, the most frequent first. ``broken`` records could not be read."""

    recorded: tuple[Recorded, ...]
    broken: int
    files: int


class _Tally:
    """Refusals of one kind, while they are counted."""

    def __init__(self) -> None:
        self.times = 0
        self.first = datetime.max.replace(tzinfo=UTC)
        self.last = datetime.min.replace(tzinfo=UTC)
        self.programs: dict[str, int] = {}

    def add(self, entry: Entry, at: datetime) -> None:
        self.times += 1
        self.first, self.last = min(self.first, at), max(self.last, at)
        program = entry.application_name or "(no name)"
        self.programs[program] = self.programs.get(program, 0) + 1


def read_logs(files: Sequence[Path], known: frozenset[str] = frozenset()) -> Logs:
    """All refused rows that the files record. ``known`` are names of constraints, which tells names of tables apart.

    Files may be compressed by gzip. Raises WrongSetup where one is not there, or is no such log.
    """
    tallies: dict[tuple[str, Said, str], _Tally] = {}
    broken = 0
    for entry in chain.from_iterable(map(entries, files)):
        at = moment(entry.timestamp) if entry else None
        if entry is None or at is None:
            broken += 1
        elif said := read_message(entry.state_code, entry, known):
            tallies.setdefault((entry.state_code, said, entry.dbname), _Tally()).add(entry, at)
    recorded = [
        Recorded(
            state=state, said=said, database=database, times=tally.times, first=tally.first, last=tally.last,
            programs=dict(sorted(tally.programs.items(), key=lambda each: -each[1])),
        )
        for (state, said, database), tally in tallies.items()
    ]  # fmt: skip
    recorded.sort(key=lambda one: (-one.times, one.said.constraint or ""))
    return Logs(recorded=tuple(recorded), broken=broken, files=len(files))


def entries(file: Path) -> Iterator[Entry | None]:
    """The records of one file that tell of a refused row; None for each that cannot be read."""
    try:
        with _opened(file) as lines:
            yield from _entries(file, lines)
    except (EOFError, zlib.error):
        yield None  # compressed, and torn off
    except OSError as error:
        raise WrongSetup(f"{file} cannot be read: {error.strerror or 'it is damaged'}.") from None


def _opened(file: Path) -> IO[str]:
    if file.suffix == ".gz":
        return cast("IO[str]", gzip.open(file, "rt", encoding="utf-8", errors="replace", newline="\n"))
    return file.open("r", encoding="utf-8", errors="replace", newline="\n")


def _entries(file: Path, lines: Iterable[str]) -> Iterator[Entry | None]:
    rest = iter(lines)
    seen: deque[str] = deque()
    for line in rest:
        seen.append(line)
        if (form := form_of(line)) is not None:
            for step in steps(form, _again(seen, rest)):
                yield from step.told
            return
        if len(seen) >= FIRST_LINES:
            break
    if any(line.strip() for line in seen):
        raise WrongSetup(NEITHER.format(file=file))


def _again(seen: deque[str], rest: Iterator[str]) -> Iterator[str]:
    yield from seen
    yield from rest


def form_of(line: str) -> Form | None:
    """By a file's first record, which form it has; None where this is no beginning of a record."""
    if line.startswith("{"):
        return Form.JSON
    return Form.CSV if START.match(line) else None


def steps(form: Form, lines: Iterator[str]) -> Iterator[Step]:
    """The records of a log, one by one, those included that tell nothing of a refused row."""
    return _of_csv(lines) if form is Form.CSV else _of_json(lines)


def _of_json(lines: Iterator[str]) -> Iterator[Step]:
    decoder = msgspec.json.Decoder(Entry)
    for line in lines:
        yield Step(1, _told(decoder, line))


def _told(decoder: msgspec.json.Decoder[Entry], line: str) -> tuple[Entry | None, ...]:
    if not _may_tell(line):
        is_whole = not line.strip() or (line.startswith("{") and line.rstrip().endswith("}"))
        return () if is_whole else (None,)
    try:
        entry = decoder.decode(line)
    except msgspec.MsgspecError:
        # The server may have been killed within a record, and begun the next one on the same line.
        at = line.rfind(JSON_START)
        return (None, *_told(decoder, line[at:])) if at > 0 else (None,)
    return (entry,) if entry.state_code in STATES else ()


def _of_csv(lines: Iterator[str]) -> Iterator[Step]:
    ahead: deque[str] = deque()
    while block := _block(ahead, lines):
        text = "".join(block)
        is_closed = text.count('"') % 2 == 0
        # Every other record is let pass unread: a log holds mostly them.
        fields = _fields(text) if _may_tell(text) else []
        if fields is None or not START.match(text) or not is_closed:
            # The torn record may have swallowed others: go on where the next one may begin.
            at = next((place for place, line in enumerate(block[1:], 1) if START.match(line)), len(block))
            ahead.extendleft(reversed(block[at:]))
            yield Step(at, (None,) if text.strip() else (), whole=is_closed or len(block) >= MOST_LINES)
        else:
            yield Step(len(block), (_entry(fields),) if fields and fields[12] in STATES else ())


def _may_tell(record: str) -> bool:
    """Whether one of the states stands in it, as a state or as something else."""
    return any(state in record for state in STATES)


def _block(ahead: deque[str], lines: Iterator[str]) -> list[str]:
    """The lines of one record: as many as its quotation marks hold together."""
    block: list[str] = []
    marks = 0
    while len(block) < MOST_LINES:
        line = ahead.popleft() if ahead else next(lines, None)
        if line is None:
            break
        block.append(line)
        marks += line.count('"')
        if marks % 2 == 0:
            break
    return block


def _fields(record: str) -> list[str] | None:
    """The fields of a record of csvlog; None where it is not one."""
    found, at = [], 0
    while match := FIELD.match(record, at):
        found.append(match[1].replace('""', '"') if match[1] is not None else match[2])
        at = match.end()
        if match[3] != ",":
            return found if at == len(record) and len(found) >= FEWEST_FIELDS else None
    return None


def _entry(fields: list[str]) -> Entry:
    return Entry(
        timestamp=fields[0], state_code=fields[12], message=fields[13], detail=fields[14], statement=fields[19],
        application_name=fields[22], dbname=fields[2], user=fields[1],
    )  # fmt: skip
