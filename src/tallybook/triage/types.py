"""The facts of a team's rota, and what is concluded from them.

Facts are frozen and only added to: what is over keeps the facts by which it was decided. All moments are aware; those
of facts are in UTC. A person is known by the Slack id, a discipline by its code.
"""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import msgspec

EVERY_DAY = frozenset(range(7))
FROM_THE_START = datetime(1900, 1, 1, tzinfo=UTC)
FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)


class Kind(enum.StrEnum):
    """What a turn of a rotation is."""

    SPRINT = "sprint"
    DAILY = "daily"
    WEEKLY = "weekly"


class WhenAbsent(enum.StrEnum):
    """What becomes of a turn whose person is away: the next one of the roster takes it, or it stays theirs."""

    SUBSTITUTE = "substitute"
    KEEP = "keep"


class Why(enum.StrEnum):
    """Why somebody is on duty, or nobody."""

    SLOT = "slot"  # it is their turn
    OVERRIDE = "override"  # asked for and approved
    SWAP = "swap"  # they exchanged turns
    SUBSTITUTE = "substitute"  # whose turn it is is away or has left
    NO_ROSTER = "no_roster"  # nobody was ever put on the roster by then
    NO_SPRINT = "no_sprint"  # no sprint is planned for then
    OFF = "off"  # the rotation rests on that day
    NOBODY_LEFT = "nobody_left"  # the roster is empty, or all of it have left
    UNASSIGNED = "unassigned"  # somebody who leads set it so
    OUT_OF_USE = "out_of_use"  # the discipline is not used then


# Where nobody is meant to be on duty.
MEANT = frozenset({Why.OFF, Why.UNASSIGNED, Why.OUT_OF_USE})
NOBODY = frozenset({Why.NO_ROSTER, Why.NO_SPRINT, Why.NOBODY_LEFT}) | MEANT
FOR_ANOTHER = frozenset({Why.OVERRIDE, Why.SUBSTITUTE})


class Team(msgspec.Struct, frozen=True):
    """A team. ``hand_over`` is the wall time in ``zone`` at which sprints change; ``weekend`` has Monday as 0.

    Zone and hand-over are what new rosters and sprints are made with; those that stand keep their own.
    """

    id: int
    name: str
    zone: str
    hand_over: time = time(8)
    weekend: frozenset[int] = frozenset({5, 6})
    country: str = ""

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


class Manner(msgspec.Struct, frozen=True):
    """How a team is told: in which channel, in which language, when. An empty id is nowhere.

    ``topic`` is the channel's topic with ``{people}`` in it; without one the topic is left alone. ``heads_up`` is by
    the team's clock, on the evening before a hand-over; one told over ``late_after`` minutes late says so.
    """

    channel: str = ""
    admin_channel: str = ""
    user_group: str = ""
    topic: str = ""
    language: str = ""
    heads_up: time = time(17)
    late_after: int = 5


class Unused(msgspec.Struct, frozen=True):
    """That a discipline is not used in ``[since, until)``; None is for good."""

    since: datetime
    until: datetime | None = None


class Discipline(msgspec.Struct, frozen=True):
    """A kind of duty within a team; of each one person at a time is on duty, while it is in use.

    ``place`` is its place in lists. The times of ``unused`` are apart from each other and in order.
    """

    code: str
    name: str
    place: int = 0
    unused: tuple[Unused, ...] = ()

    def in_use(self, at: datetime) -> bool:
        return self.used_in(at, at)

    def used_in(self, since: datetime, until: datetime) -> bool:
        """Whether it is in use at the first moment of ``[since, until)`` or at any other of it."""
        rests = (one for one in self.unused if one.since <= since)
        return not any(one.until is None or (one.until > since and one.until >= until) for one in rests)


class Person(msgspec.Struct, frozen=True):
    """Somebody, once, in however many disciplines."""

    slack_id: str
    name: str


class Membership(msgspec.Struct, frozen=True):
    """That somebody belongs to a discipline in ``[since, until)``; None is for good."""

    discipline: str
    person: str
    since: datetime
    until: datetime | None = None


class Rotation(msgspec.Struct, frozen=True):
    """How turns follow each other.

    ``days`` (Monday is 0) are those on which a daily turn is, or on which a weekly turn begins. A daily turn lasts to
    the next day's hand-over, or, with ``through``, to the next turn; a weekly one always does. ``weeks``: of so many
    weeks, counted from a day (without one from the roster's), the first has turns. ``rest``: no daily turn is on the
    team's holidays.
    """

    kind: Kind
    zone: str
    hand_over: time = time(8)
    days: frozenset[int] = EVERY_DAY
    through: bool = False
    weeks: int = 1
    counted_from: date | None = None
    rest: bool = False
    when_absent: WhenAbsent = WhenAbsent.SUBSTITUTE


class Roster(msgspec.Struct, frozen=True):
    """One version of a discipline's roster: who takes turns, and in which order.

    It holds from the first turn that begins at or after ``since``, and ``people[0]`` takes that turn; until then the
    version before it holds. Of two with the same ``since`` the later number holds.
    """

    discipline: str
    number: int
    since: datetime
    people: tuple[str, ...]
    rotation: Rotation


class Sprint(msgspec.Struct, frozen=True):
    """A named period. ``[starts_at, ends_at)`` are its first and last day's hand-over; consecutive ones share it."""

    id: int
    number: int
    name: str
    first_day: date
    last_day: date
    starts_at: datetime
    ends_at: datetime


class Absence(msgspec.Struct, frozen=True):
    """That somebody cannot be on duty in ``[starts_at, ends_at)``.

    ``source``: recorded by ``hand``, or as a ``calendar`` of theirs says, or as their status in ``slack`` does.
    """

    id: int
    person: str
    starts_at: datetime
    ends_at: datetime
    kind: str = "leave"
    source: str = "hand"


class Calendar(msgspec.Struct, frozen=True):
    """A calendar as it is shown: its address is not. ``away``: only events count that say that somebody is away.

    ``failed`` says by a word why it cannot be read, since when ``failing_since`` says.
    """

    id: int
    person: str
    host: str
    away: bool
    made_by: str
    made_at: datetime
    read_at: datetime | None = None
    failed: str = ""
    failing_since: datetime | None = None
    told_at: datetime | None = None


class Holiday(msgspec.Struct, frozen=True):
    """A day off of the whole team."""

    day: date
    name: str


class Override(msgspec.Struct, frozen=True):
    """An approved one: ``person`` is on duty in ``[starts_at, ends_at)``. Two of an exchange share their ``swap``.

    With None nobody is, for the ``reason``, which is left out of all others.
    """

    id: int
    discipline: str
    person: str | None
    starts_at: datetime
    ends_at: datetime
    instead_of: str | None = None
    swap: int | None = None
    reason: str = ""


class Facts(msgspec.Struct, frozen=True):
    """All that decides who of a team is on duty. The order within each list means nothing.

    ``version`` is new with every change of them, so that what was concluded can be kept by it.
    """

    team: Team
    disciplines: tuple[Discipline, ...] = ()
    people: tuple[Person, ...] = ()
    memberships: tuple[Membership, ...] = ()
    rosters: tuple[Roster, ...] = ()
    sprints: tuple[Sprint, ...] = ()
    absences: tuple[Absence, ...] = ()
    holidays: tuple[Holiday, ...] = ()
    overrides: tuple[Override, ...] = ()
    version: int = 0


class Slot(msgspec.Struct, frozen=True):
    """One turn of a rotation, ``[starts_at, ends_at)``; ``number`` counts the turns of one roster from 0."""

    number: int
    starts_at: datetime
    ends_at: datetime
    sprint: Sprint | None = None


class Shift(msgspec.Struct, frozen=True):
    """Who is on duty in ``[starts_at, ends_at)``, and why; ``person`` is None where ``why`` is one of NOBODY.

    ``slot`` is the turn that it is a part of, ``turn_of`` whose turn that is, ``override`` the number of the override.
    """

    discipline: str
    starts_at: datetime
    ends_at: datetime
    person: str | None
    why: Why
    turn_of: str | None = None
    slot: Slot | None = None
    override: int | None = None

    def cut(self, starts_at: datetime, ends_at: datetime) -> Shift:
        """The part of it within a period, which must touch it."""
        since, until = max(self.starts_at, starts_at), min(self.ends_at, ends_at)
        return msgspec.structs.replace(self, starts_at=since, ends_at=until)


class Answer(msgspec.Struct, frozen=True):
    """Who was, is or will be on duty at a moment. ``shift`` may run on both sides of it."""

    at: datetime
    shift: Shift

    @property
    def person(self) -> str | None:
        return self.shift.person

    @property
    def why(self) -> Why:
        return self.shift.why
