"""A review's record, feedback and photos in the reader's words. Pure: no database, no request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from gettext import NullTranslations
from typing import Any

from tallybook.core.file_types import SHOWN_TYPES
from tallybook.core.marking import N_
from tallybook.monitor.feedback import Feedback, Said
from tallybook.monitor.history import ByHand
from tallybook.monitor.photos import How
from tallybook.monitor.service.photos import Photo
from tallybook.monitor.types import STEPS, Change, Verdict

from . import phrases

LABELS = {step.column: step.label for step in STEPS}
LONGEST = 120  # letters of a text in the record; the whole of it stands where it is edited
FROM_TO = N_("{was} → {now}")
FIELD = N_("{field}: {value}")
NOBODY = N_("nobody")
ASSIGNED = N_("Assigned")
COMMENT = N_("Comment")
EMPTY = N_("empty")
FEEDBACK = {
    "put": N_("Feedback put to be sent"),
    "sent": N_("Feedback sent"),
    "late": N_("Feedback sent; the drop had been posted again meanwhile"),
}
ACTIONS = frozenset({
    "review.saved", "review.looked_at", "review.assigned", "review.feedback_put", "review.feedback_sent",
    "review.photo",
})  # fmt: skip
OUTSIDE = N_("Changed outside Tallybook")
PHOTO = {
    How.PROBABLE: N_("probably of this drop"),
    How.CONFIRMED: N_("of this drop"),
    How.REFUSED: N_("not of this drop"),
    How.CAPTION: N_("names this drop"),
}
PHOTO_FIELD = N_("Photo")
STATES: Mapping[Said, tuple[str, str, str]] = {
    Said.WAITING: (N_("Waits to be sent"), "clock", "plain"),
    Said.SENT: (N_("Sent to the group"), "ok", "ok"),
    Said.FAILED: (N_("Not sent"), "wrong", "wrong"),
    Said.UNKNOWN: (N_("Nobody knows yet whether it was sent"), "late", "late"),
    Said.CAPTURED: (N_("Captured: only production sends"), "tray", "plain"),
    Said.DROPPED: (N_("Dropped by a person, never sent"), "dash", "plain"),
}
# Why a photo is not there; each as its source says it.
REASONS = (
    N_("The bridge does not know what this file should hold, so it cannot be trusted."),
    N_("The file is larger than 32 MB."),
    N_("The bridge gave another file: one of the same name was there before."),
    N_("The file cannot be written on this machine."), N_("The file is gone from this machine."),
    N_("The bridge's file is not in the bridge's folder on this machine."),
    N_("The bridge's file cannot be read on this machine."), N_("The bridge cannot be reached."),
    N_("The bridge's answer cannot be understood."), N_("No bridge is named in the projects file."),
    N_("The bridge could not download the file. WhatsApp keeps files for some weeks only."),
)  # fmt: skip
ERRORS = (
    N_("The last feedback still waits to be sent."), N_("Somebody sent feedback on this review meanwhile."),
    N_("Neither a post of this drop nor a group of its project is known, so nobody can be told."),
    N_("Feedback has 1 to 4,000 characters."), N_("Somebody else assigned this review meanwhile."),
    N_("Nobody of that number may judge reviews here."), N_("This photo names its drop itself."),
    N_("This photo was confirmed for another drop."), N_("There is no such photo."),
    N_("At most 500 drops can be changed at once."),
)  # fmt: skip


@dataclass(frozen=True)
class ChangeView:
    """An entry of the record as it is shown; ``who`` is empty and ``at`` None where nobody can say."""

    at: datetime | None
    who: str
    lines: list[str]


def change_view(change: Change, words: NullTranslations) -> ChangeView:
    """A change in the reader's words: what was, and what it became; steps that changed alike in one line."""
    say, before, after = words.gettext, change.before or {}, change.after or {}
    lines = _steps(before, after, words)
    if "comment" in after:
        lines.append(_from_to(COMMENT, _text(before.get("comment"), words), _text(after["comment"], words), words))
    if "completed" in after:
        lines.append(say(phrases.CHANGES["complete" if after["completed"] else "open"]))
    if after.get("resubmitted") is False:
        lines.append(say(phrases.CHANGES["looked_at"]))
    if "assigned_agent" in after:
        was, now = before.get("assigned_agent") or say(NOBODY), after["assigned_agent"] or say(NOBODY)
        lines.append(_from_to(ASSIGNED, str(was), str(now), words))
    if "photo" in after:
        lines.append(_from_to(PHOTO_FIELD, _photo(before.get("photo"), words), _photo(after["photo"], words), words))
    if change.action == "review.feedback_put":
        lines.append(_field(say(FEEDBACK["put"]), _text(after.get("feedback"), words), words))
    if change.action == "review.feedback_sent":
        lines.append(say(FEEDBACK["late" if after.get("posted_meanwhile") else "sent"]))
    return ChangeView(change.at, change.who, lines or [change.action])


def by_hand_view(found: Sequence[ByHand], words: NullTranslations) -> ChangeView | None:
    """What somebody's own SQL changed, as one entry; None where there is nothing of the kind."""
    say = words.gettext
    if not found:
        return None
    lines = []
    for one in found:
        label = say(LABELS.get(one.field) or {"completed": phrases.CHANGES["complete"]}.get(one.field, ASSIGNED))
        lines.append(_from_to(label, _value(one.recorded, words), _value(one.is_now, words), words))
    return ChangeView(None, "", [say(OUTSIDE), *lines])


def _value(value: object, words: NullTranslations) -> str:
    say = words.gettext
    if isinstance(value, bool):
        return say(YES if value else NO)
    return say(NOBODY) if value is None else say(phrases.VERDICTS.get(str(value), str(value)))


YES, NO = N_("yes"), N_("no")


def _steps(before: Mapping[str, Any], after: Mapping[str, Any], words: NullTranslations) -> list[str]:
    say = words.gettext
    alike: dict[tuple[str, str], list[str]] = {}
    for column, label in LABELS.items():
        if column in after:
            was, now = _mark(before.get(column), words), _mark(after[column], words)
            alike.setdefault((was, now), []).append(say(label))
    return [_from_to(", ".join(labels), was, now, words) for (was, now), labels in alike.items()]


def _mark(value: object, words: NullTranslations) -> str:
    say = words.gettext
    mark, _, reason = str(value or Verdict.MISSING).partition(": ")
    shown = say(phrases.VERDICTS.get(mark, mark))
    return f"{shown} ({say(reason)})" if reason else shown


def _from_to(field: str, was: str, now: str, words: NullTranslations) -> str:
    say = words.gettext
    return _field(say(field), say(FROM_TO).replace("{was}", was).replace("{now}", now), words)


def _field(field: str, value: str, words: NullTranslations) -> str:
    return words.gettext(FIELD).replace("{field}", field).replace("{value}", value)


def _text(value: object, words: NullTranslations) -> str:
    text = " ".join(str(value or "").split())
    if not text:
        return words.gettext(EMPTY)
    return f"“{text[:LONGEST]}…”" if len(text) > LONGEST else f"“{text}”"


def _photo(value: object, words: NullTranslations) -> str:
    return words.gettext(PHOTO[How(str(value))]) if str(value) in set(How) else str(value)


@dataclass(frozen=True)
class SaidView:
    """A press of “Send feedback” as it is shown."""

    said: Feedback
    state: str
    icon: str
    kind: str
    reason: str


def said_view(said: Feedback, words: NullTranslations) -> SaidView:
    state, icon, kind = STATES[said.state]
    why = said.reason if said.reason and said.state in {Said.FAILED, Said.UNKNOWN} else ""
    return SaidView(said, words.gettext(state), icon, kind, words.gettext(why) if why else "")


@dataclass(frozen=True)
class PhotoView:
    """A photo as it is shown: as a picture only where its content is one."""

    photo: Photo
    how: str
    picture: bool
    reason: str
    size: str


def photo_view(photo: Photo, words: NullTranslations) -> PhotoView:
    picture = photo.state == "kept" and photo.type in SHOWN_TYPES
    reason = words.gettext(photo.reason) if photo.reason else ""
    size = f"{max(photo.size // 1024, 1):,} kB" if photo.size else ""
    return PhotoView(photo, words.gettext(PHOTO[photo.how]), picture, reason, size)
