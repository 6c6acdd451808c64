"""What the demo's groups say: made up, the same on every machine, each group in a rhythm of its own. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from .bridge_file import Said

ZONE = ZoneInfo("Africa/Johannesburg")
DAYS = 14
# Parts of one: posts that hold two drops, posts after which somebody chats, days on which a drop is in no list.
HOLD_TWO, CHATTED, MISTAKEN = 0.1, 0.4, 0.5
# A day's drops are numbered by the day, in a ring longer than the history; those of the running demo come behind them.
_RING, _A_DAY = 60, 60
LIVE_FROM = _RING * _A_DAY
LIVE = 6_000

KNOWN_LID, KNOWN_LID_PHONE = "98765432100031", "27820000031"
LATE_LID, LATE_LID_PHONE = "98765432100032", "27820000032"
FAMILY = "27820000098@s.whatsapp.net"  # a chat that is nobody's business but its own

POSTS = ("DR{0}", "DR{0} done", "dr{0} photos uploaded", "Morning all. DR {0} is in", "DR: {0} complete, 24 photos")
PAIRS = ("DR{0} and DR{1} are both in", "Two more:\nDR{0}\nDR{1}", "dr{0}, DR {1} uploaded")
AGAIN = ("DR{0} redone, please look again", "DR{0} new photos of the ONT", "dr{0} signature added now")
CHATTER = (
    "Morning team", "On the way to the next house", "Thanks, will look after lunch", "Who has the long ladder today?",
    "Rain here, we wait ten minutes", "Customer asks for 14:00 instead", "Splicer is busy at the pole, one hour",
    "👍", "Please remember the powermeter photo", "Gate code works again",
)  # fmt: skip


class Group(msgspec.Struct, frozen=True):
    """A group and its week: drops on Monday to Sunday, between two hours, numbered from ``first``."""

    name: str
    chat: str
    first: int
    week: tuple[int, ...]
    opens: int
    closes: int
    senders: tuple[str, ...]
    validated: bool = False

    def drop(self, day: date, number: int) -> int:
        """The number of a day's drop."""
        return self.first + day.toordinal() % _RING * _A_DAY + number

    def live_drop(self, number: int) -> int:
        """The number of a drop that is posted while the demo runs."""
        return self.first + LIVE_FROM + number % LIVE


def _phones(first: int, count: int) -> tuple[str, ...]:
    return tuple(f"278200000{number:02}" for number in range(first, first + count))


LAWLEY = Group(
    "Lawley", "120363000000000001@g.us", 1_750_000, (16, 18, 21, 17, 12, 5, 0), 7, 17,
    (*_phones(1, 6), KNOWN_LID), validated=True,
)  # fmt: skip
MOHADIN = Group(
    "Mohadin", "120363000000000002@g.us", 1_850_000, (9, 12, 8, 14, 10, 0, 0), 8, 16,
    (*_phones(7, 4), LATE_LID), validated=True,
)  # fmt: skip
MAMELODI = Group("Mamelodi", "120363000000000003@g.us", 1_650_000, (6, 5, 7, 6, 4, 3, 0), 9, 18, _phones(11, 4))
VELO_TEST = Group("Velo Test", "120363000000000004@g.us", 1_950_000, (2, 1, 3, 2, 2, 0, 0), 10, 15, _phones(15, 2))
MARKETING = Group(
    "Marketing Activations", "120363000000000005@g.us", 1_550_000, (8, 10, 12, 11, 15, 9, 2), 9, 19, _phones(17, 5)
)
GROUPS = (LAWLEY, MOHADIN, MAMELODI, VELO_TEST, MARKETING)


def history(now: datetime) -> Iterator[Said]:
    """Two weeks up to ``now``, in the order it was said."""
    today = now.astimezone(ZONE).date()
    for ago in range(DAYS, -1, -1):
        yield from (said for said in day(today - timedelta(days=ago)) if said.at <= now)


def day(of: date) -> list[Said]:
    """All that is said on a day, in order."""
    said = [one for group in GROUPS for one in _group_day(group, of)]
    said.append(Said(f"3EB0{of:%Y%m%d}HOME", FAMILY, "27820000098", "Supper at six?", _at(of, 15, 0)))
    return sorted(said, key=lambda one: one.at)


def valid_drops() -> Iterator[tuple[str, str]]:
    """Every (drop number, project) of the validated projects' lists."""
    for group in GROUPS:
        if group.validated:
            yield from ((f"DR{group.first + number}", group.name) for number in range(LIVE_FROM + LIVE))


def unknown_drop(number: int) -> str:
    """A drop that is in no list."""
    return f"DR{1_099_000 + number % 1000}"


def _group_day(group: Group, of: date) -> Iterator[Said]:
    # A seed of text gives the same numbers on every machine and in every process.
    dice = random.Random(f"{group.name} {of}")
    count = group.week[of.weekday()]
    numbers = [group.drop(of, number) for number in range(count)]
    if group is MARKETING:  # a third of what marketing signs up is installed in Lawley the same day
        installed = LAWLEY.week[of.weekday()]
        numbers[: count // 3] = [LAWLEY.drop(of, number) for number in range(min(count // 3, installed))]
    texts = list(_texts(group, of, numbers, dice))
    opens, closes = _at(of, group.opens, 0), _at(of, group.closes, 0)
    times = sorted(dice.uniform(0, (closes - opens).total_seconds()) for _ in texts)
    for place, (text, seconds) in enumerate(zip(texts, times, strict=True)):
        yield Said(
            f"3EB0{of:%Y%m%d}{group.chat[16:18]}{place:04}",
            group.chat,
            dice.choice(group.senders),
            text,
            opens + timedelta(seconds=int(seconds)),
            photo=not text,
        )


def _texts(group: Group, of: date, numbers: list[int], dice: random.Random) -> Iterator[str]:
    """The texts of a group's day; an empty one is a photo without a caption."""
    yesterday = of - timedelta(days=1)
    for number in range(min(2, group.week[yesterday.weekday()] // 4)):
        yield dice.choice(AGAIN).format(group.drop(yesterday, number))
    while numbers:
        if len(numbers) > 1 and dice.random() < HOLD_TWO:
            yield dice.choice(PAIRS).format(numbers.pop(0), numbers.pop(0))
        else:
            yield dice.choice(POSTS).format(numbers.pop(0))
        yield from [""] * dice.choice((0, 0, 1, 2))
        if dice.random() < CHATTED:
            yield dice.choice(CHATTER)
    if group is LAWLEY and dice.random() < MISTAKEN:
        yield f"{unknown_drop(of.toordinal())} uploaded"


def _at(of: date, hour: int, minute: int) -> datetime:
    return datetime.combine(of, time(hour, minute), ZONE)
