"""What a row of the old system becomes here. Pure: rows are read as JSON objects, whatever columns the table has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

import msgspec

from tallybook.core.identity import resolve
from tallybook.monitor.rules import business_date, normalised
from tallybook.monitor.types import STEP_COLUMNS

from .supervisor_list import plain

UNRESOLVED = "unresolved"
MARKETING = "Marketing Activations"
RESUBMITTED = re.compile(r"--- RESUBMITTED (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")
LIMITS = {"drop_number": 50, "user_name": 100, "submitted_by": 255, "locked_by": 255}
LONGEST_DROP = 20  # of the lists and of marketing's register
NO_ZONE = "a time without a zone, read in the zone that was stated"
LID = "a sender known by a LID alone: kept as unresolved"
HALF_LOCK = "half a lock, left out"
OTHERWISE = "its project is written otherwise here, and is taken for that one"
NO_TIME = "it has a date and no time: posts of that day count as known"
AUTOMATIC = re.compile(r"Auto-created from WhatsApp on .*|--- RESUBMITTED .*")
LAST = time(23, 59, 59)

Row = Mapping[str, Any]


class Terms(msgspec.Struct, frozen=True):
    """How the old rows are read.

    ``zone`` is the business's, ``stated`` the zone of columns without one. ``spaces`` maps a project to its drop space.
    ``nameless`` is the project of rows that name none; None leaves such rows out. ``lids`` maps LIDs to phones.
    ``renamed`` maps a project's old name to the one it has here. ``marketing`` is the project of old activations,
    ``marketings`` are all that are for marketing. A project that is not in ``spaces`` is not known.
    """

    zone: ZoneInfo
    stated: ZoneInfo
    spaces: dict[str, str] = {}
    nameless: str | None = None
    marketing: str = MARKETING
    lids: dict[str, str] = {}
    renamed: dict[str, str] = {}
    marketings: frozenset[str] = frozenset()

    def project_of(self, named: str) -> str | None:
        """The project that a name means, however it is written."""
        meant = {plain(old): new for old, new in self.renamed.items()}.get(plain(named), named)
        return next((name for name in self.spaces if plain(name) == plain(meant)), None)

    def is_marketing(self, row: Row) -> bool:
        """Whether a row is of a marketing project."""
        project = self.project_of(str(row.get("project") or ""))
        return project is not None and (project in self.marketings or plain(project) == plain(self.marketing))


class Unusable(Exception):
    """Why a row cannot be taken."""


class Review(msgspec.Struct, frozen=True):
    """A review as it will stand. ``columns`` are those that are simply copied; ``posts`` when the drop was posted."""

    id: str
    space: str
    drop_number: str
    review_date: date
    posts: tuple[datetime, ...]
    phone: str | None
    project: str
    columns: dict[str, Any]
    remarks: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, date]:
        return (self.space, self.drop_number, self.review_date)


class Post(msgspec.Struct, frozen=True):
    """A row of the marketing register or of the refused posts."""

    project: str
    drop_number: str
    said_at: datetime
    phone: str | None
    columns: dict[str, Any]
    remarks: tuple[str, ...] = ()


def review(row: Row, terms: Terms) -> Review:
    """A row of ``qa_photo_reviews``. Raises Unusable."""
    remarks: list[str] = []
    drop, project = _drop(row), _project(row, terms, remarks)
    said, created = (moment(row.get(name), terms, remarks) for name in ("whatsapp_message_date", "created_at"))
    day = _day(row, said or created, terms)
    first = said or created or datetime.combine(day, LAST, terms.zone)
    if not (said or created):
        remarks.append(NO_TIME)
    comment = row.get("comment")
    phone, name = _sender(row, terms, remarks)
    columns = {
        **{step: bool(row.get(step)) for step in STEP_COLUMNS},
        **_counts(row), **_lock(row, terms, remarks),
        "user_name": name, "submitted_by": phone, "sender_phone": phone, "project": project, "comment": comment,
        "assigned_agent": row.get("assigned_agent"), "bridge_source": row.get("bridge_source"),
        "feedback_sent": _text(moment(row.get("feedback_sent"), terms, remarks)),
        "whatsapp_message_date": _text(said),
        "incorrect_steps": [str(step) for step in row.get("incorrect_steps") or ()],
        "incorrect_comments": _reasons(row.get("incorrect_comments")),
        "created_at": _text(created or first),
        "updated_at": _text(moment(row.get("updated_at"), terms, remarks) or first),
    }  # fmt: skip
    notes = [datetime.fromisoformat(found).replace(tzinfo=terms.zone) for found in RESUBMITTED.findall(comment or "")]
    posts = tuple(sorted({first, *(note for note in notes if note > first)}))
    space = terms.spaces[project]
    number = id_of(row.get("id") or f"{drop} {project} {day}")
    return Review(number, space, drop, day, posts, phone, project, columns, tuple(dict.fromkeys(remarks)))


def activation(row: Row, terms: Terms) -> Post:
    """A row of ``marketing_activations``. Raises Unusable."""
    remarks: list[str] = []
    drop = _drop(row)
    said = moment(row.get("whatsapp_message_date"), terms, remarks) or moment(row.get("created_at"), terms, remarks)
    if said is None:
        raise Unusable("it has no time")
    if len(drop) > LONGEST_DROP:
        raise Unusable("its drop number is too long")
    phone, name = _sender(row, terms, remarks)
    columns = {
        "user_name": name if name != UNRESOLVED else None, "is_valid": row.get("is_valid"),
        "validation_message": row.get("validation_message"),
    }  # fmt: skip
    project = _project(row, terms, remarks) if row.get("project") else terms.marketing
    return Post(project, drop, said, phone, columns, tuple(dict.fromkeys(remarks)))


def refused(row: Row, terms: Terms) -> Post:
    """A row of ``invalid_drop_submissions``. Raises Unusable."""
    remarks: list[str] = []
    said = moment(row.get("submitted_at"), terms, remarks)
    if said is None:
        raise Unusable("it has no time")
    phone, _ = _sender({"submitted_by": row.get("sender")}, terms, remarks)
    columns = {"group_jid": row.get("group_jid"), "reason": row.get("reason") or "not_in_valid_list"}
    return Post(_project(row, terms, remarks), _drop(row), said, phone, columns, tuple(dict.fromkeys(remarks)))


def valid(row: Row, terms: Terms) -> tuple[str, str]:
    """A row of ``valid_drop_numbers``, as (drop number, project). Raises Unusable."""
    drop = _drop(row)
    if len(drop) > LONGEST_DROP:
        raise Unusable("its drop number is too long")
    return drop, _project(row, terms, [])


def moment(value: Any, terms: Terms, remarks: list[str]) -> datetime | None:
    """A time of the old tables; one without a zone is read in the stated one, which is remarked."""
    if not value:
        return None
    at = datetime.fromisoformat(str(value))
    if at.tzinfo is None:
        remarks.append(NO_ZONE)
        at = at.replace(tzinfo=terms.stated)
    return at.astimezone(UTC)


def after(posted: datetime) -> datetime:
    """When a drop counts as posted last, where the old system filed that post already.

    A moment later than the post: when the bridge's file is read from its beginning the same post comes again, and must
    be history and not a new one. WhatsApp's clock has whole seconds, so that no other post is lost by it.
    """
    return posted + timedelta(microseconds=1)


def number_of(posted: datetime) -> int:
    """Stands for the message of a post that no message of ours belongs to; those have numbers above nought."""
    return -int(posted.timestamp())


def _drop(row: Row) -> str:
    drop = normalised(str(row.get("drop_number") or ""))
    if not drop:
        raise Unusable("it has no drop number")
    if len(drop) > LIMITS["drop_number"]:
        raise Unusable("its drop number is too long")
    return drop


def id_of(given: Any) -> str:
    """A review's id. One that is no UUID makes the same UUID each time."""
    try:
        return str(UUID(str(given)))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, f"tallybook:old review {given}"))


def is_untouched(columns: Row) -> bool:
    """Whether nobody has put anything into a review of ours that a post made."""
    lines = str(columns.get("comment") or "").splitlines()
    touched = ("completed", "feedback_sent", "locked_by", "assigned_agent", "incorrect_comments", "incorrect_steps")
    return not has_marks(columns, touched) and all(AUTOMATIC.fullmatch(line) for line in lines)


def has_marks(columns: Row, beside: Sequence[str] = ("completed", "feedback_sent", "incorrect_comments")) -> bool:
    """Whether a review has a tick, or anything in these columns."""
    return any(columns.get(name) for name in (*STEP_COLUMNS, *beside))


def says_the_same(ours: Row, old: Row) -> bool:
    """Whether our review has the judgement that an old one has."""
    judged = (*STEP_COLUMNS, "completed", "incorrect_comments")
    return all((ours.get(name) or None) == (old.get(name) or None) for name in judged)


def _project(row: Row, terms: Terms, remarks: list[str]) -> str:
    given = str(row.get("project") or "").strip() or terms.nameless
    if not given:
        raise Unusable("it names no project; --project says which one such rows belong to")
    project = terms.project_of(given)
    if project is None:
        raise Unusable(f"no project here is called “{given[:100]}”; --project-map says which one is meant")
    if project != given:
        remarks.append(OTHERWISE)
    return project


def _day(row: Row, at: datetime | None, terms: Terms) -> date:
    if row.get("review_date"):
        return date.fromisoformat(str(row["review_date"])[:10])
    if at is None:
        raise Unusable("it has neither a date nor a time")
    return business_date(at, terms.zone)


def _sender(row: Row, terms: Terms, remarks: list[str]) -> tuple[str | None, str]:
    """The phone, as digits, and the name. A LID is looked up, and is never taken for a phone."""
    given = str(row.get("submitted_by") or row.get("sender_phone") or "").strip()
    name = str(row.get("user_name") or "").strip()
    if not given and name.isdigit():
        given = name
    who = resolve(given, terms.lids) if given else None
    phone = who.phone.removeprefix("+") if who and who.phone else None
    if who and who.phone is None and who.lid:
        remarks.append(LID)
    is_address = not name or name == given or name.isdigit() or "@" in name
    return phone, (phone or UNRESOLVED) if is_address else name[: LIMITS["user_name"]]


def _counts(row: Row) -> dict[str, Any]:
    done = sum(bool(row.get(step)) for step in STEP_COLUMNS)
    flags = ("outstanding_photos_loaded_to_1map", "completed", "incomplete", "resubmitted")
    return {
        "completed_photos": int(row.get("completed_photos") or done),
        "outstanding_photos": int(
            len(STEP_COLUMNS) - done if row.get("outstanding_photos") is None else row["outstanding_photos"]
        ),
        **{flag: bool(row.get(flag)) for flag in flags},
    }


def _lock(row: Row, terms: Terms, remarks: list[str]) -> dict[str, Any]:
    holder, at = str(row.get("locked_by") or "")[: LIMITS["locked_by"]], moment(row.get("locked_at"), terms, remarks)
    if bool(holder) != bool(at):
        remarks.append(HALF_LOCK)
        return {"locked_by": None, "locked_at": None}
    return {"locked_by": holder or None, "locked_at": _text(at)}


def _reasons(value: Any) -> dict[str, str]:
    return {str(step): str(reason) for step, reason in value.items()} if isinstance(value, dict) else {}


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
