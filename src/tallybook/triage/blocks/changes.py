"""The preview of a change: whose duty it would change, and the same form again, now to be saved."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tallybook.triage.rules_roster import Change
from tallybook.triage.types import Override

from . import words
from .elements import Ready, asking, context, divider, sections, written_in
from .limits import Block
from .names import Field
from .showing import Seen
from .texts_admin import ADMIN

MOST_CHANGES = 30
LONGEST_REASON = 500


class Shown(msgspec.Struct, frozen=True):
    """What a plan would change, by the facts of ``version``.

    ``idle`` are overrides that would stand in for nobody; ``moved`` and ``dropped`` count those that would go along.
    ``anew``: it was shown before, and the facts have changed since.
    """

    version: int
    changes: Sequence[Change] = ()
    idle: Sequence[Override] = ()
    moved: int = 0
    dropped: int = 0
    anew: bool = False


def say(seen: Seen, name: str, /, **values: object) -> Ready:
    return words.said(ADMIN, seen.locale, name, **values)


def plain(seen: Seen, name: str, /, **values: object) -> str:
    return words.filled(ADMIN, seen.locale, name, **values)


def difference(seen: Seen, shown: Shown | None) -> list[Block]:
    """Who would be on duty instead of whom and when; nothing before anything was previewed."""
    if shown is None:
        return []
    lines = [_line(seen, one) for one in shown.changes]
    lines = [say(seen, "would"), *seen.capped(lines, MOST_CHANGES)] if lines else [say(seen, "would_not")]
    idle = [
        say(seen, "idle", discipline=seen.discipline(one.discipline),
            span=seen.span(one.starts_at, one.ends_at), who=seen.who(one.person))
        for one in shown.idle
    ]  # fmt: skip
    lines += seen.capped(idle, MOST_CHANGES)
    lines += [say(seen, "moved", n=shown.moved)] if shown.moved else []
    lines += [say(seen, "dropped", n=shown.dropped)] if shown.dropped else []
    again = [context(say(seen, "look_again"))] if shown.anew else []
    return [*again, *sections(lines), divider()]


def _line(seen: Seen, one: Change) -> Ready:
    name, span = seen.discipline(one.discipline), seen.span(one.starts_at, one.ends_at)
    return say(
        seen, "line", discipline=name, span=span, becomes=seen.who(one.becomes.person), was=seen.who(one.was.person)
    )


def submit(seen: Seen, shown: Shown | None) -> str:
    """The words of the form's button: first it previews, then it saves."""
    return plain(seen, "look" if shown is None else "save")


def why(seen: Seen, initial: str = "", *, needed: bool = True) -> Block:
    """Why something is changed."""
    field = written_in(Field.REASON, LONGEST_REASON, initial, lines=True)
    hint = plain(seen, "reason_hint")
    return asking(Field.REASON, plain(seen, "reason"), field, hint=hint, optional=not needed)
