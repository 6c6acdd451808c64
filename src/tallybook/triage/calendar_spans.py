"""When somebody is away by a calendar that another program made (RFC 5545); nothing else of it is looked at.

It is worked out in a process of its own: a rule of two lines can ask for more turns than there is time or memory for.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import resource
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from itertools import islice
from zoneinfo import ZoneInfo

import icalendar
import msgspec
import recurring_ical_events

SECONDS = 20.0
MOST_SECONDS_OF_WORK = 10
MOST_MEMORY = 1_000_000_000  # bytes of addresses
MOST_EVENTS = 2_000
# How an event says that its person is away: these words in its title, or Outlook's own mark.
AWAY = re.compile(
    r"\b(vacation|pto|ooo|out of (the )?office|holidays?|(annual |sick |parental )?leave|away|sick|time off|day off"
    r"|חופש|חופשה|בחופש|בחופשה|מחלה|מילואים|היעדרות)\b",
    re.IGNORECASE,
)
BUSY_STATUS = "X-MICROSOFT-CDO-BUSYSTATUS"
OUT_OF_OFFICE = "OOF"


class Asked(msgspec.Struct, frozen=True):
    """What of a calendar: events in ``[since, until)``, whole days by ``zone``.

    ``away``: only those that say that somebody is away.
    """

    since: datetime
    until: datetime
    zone: str
    away: bool = False


class Span(msgspec.Struct, frozen=True, order=True):
    """A time in UTC; ``days``: it is one of whole days."""

    starts_at: datetime
    ends_at: datetime
    days: bool = False


class NoCalendar(Exception):
    """Nothing can be made of it. It says why by a word: ``slow`` or ``strange``."""


async def read(text: bytes, asked: Asked, seconds: float = SECONDS) -> list[Span]:
    """The times of the events, in order, at most 2,000 of them. Raises NoCalendar."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __spec__.name,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(seconds):
            told, _ = await process.communicate(msgspec.json.encode(asked) + b"\n" + text)
    except TimeoutError:
        raise NoCalendar("slow") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        raise NoCalendar("slow" if process.returncode < 0 else "strange")
    return msgspec.json.decode(told, type=list[Span])


def spans(text: bytes, asked: Asked) -> list[Span]:
    """The times of the events, in order. Pure. Raises ValueError where it is no calendar."""
    calendar = icalendar.Calendar.from_ical(text)
    for event in calendar.walk("VEVENT"):
        if "DTSTART" not in event:
            calendar.subcomponents.remove(event)
    found = recurring_ical_events.of(calendar, skip_bad_series=True).after(asked.since)
    return sorted(set(islice(_within(found, asked), MOST_EVENTS)))


def _within(found: Iterator[icalendar.Event], asked: Asked) -> Iterator[Span]:
    for event in found:
        span = _span(event, ZoneInfo(asked.zone))
        if span.starts_at >= asked.until:
            return
        if span.starts_at < span.ends_at and span.ends_at > asked.since and _counts(event, asked):
            yield span


def _counts(event: icalendar.Event, asked: Asked) -> bool:
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return False
    if not asked.away:
        return True
    says = str(event.get(BUSY_STATUS, "")).upper() == OUT_OF_OFFICE
    return says or AWAY.search(str(event.get("SUMMARY", ""))) is not None


def _span(event: icalendar.Event, zone: ZoneInfo) -> Span:
    days = not isinstance(event.start, datetime)
    return Span(_moment(event.start, zone), _moment(event.end, zone), days)


def _moment(at: date | datetime, zone: ZoneInfo) -> datetime:
    """In UTC. A day begins at its midnight, and a time without a zone is, by the clocks of ``zone``."""
    if not isinstance(at, datetime):
        at = datetime.combine(at, time())
    return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)


def main() -> int:
    """Reads what is asked and the calendar from standard input, and writes its times to standard output."""
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS_OF_WORK, MOST_SECONDS_OF_WORK))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    asked, _, text = sys.stdin.buffer.read().partition(b"\n")
    try:
        found = spans(text, msgspec.json.decode(asked, type=Asked))
    except Exception:  # noqa: BLE001 - whatever a stranger's calendar does to the library, it is no calendar to us
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
