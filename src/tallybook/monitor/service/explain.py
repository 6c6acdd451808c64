"""The whole story of one drop: the answer to "why is my drop missing?"."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from tallybook.core import health
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.core.health import Check, HealthReport
from tallybook.monitor import rules
from tallybook.monitor.store import answers, naming
from tallybook.monitor.store import explain as store
from tallybook.monitor.store import projects as project_store
from tallybook.monitor.store import registers as register_store
from tallybook.monitor.store.answers import Answer
from tallybook.monitor.store.explain import ActivationStands, Changed, GroupHeard, Near, RefusalStands, ReviewStands
from tallybook.monitor.store.naming import MOST, Named, Revision, Sought
from tallybook.monitor.types import Project

from . import registers
from .desks import project_of
from .like_it import neighbours, similar
from .own_words import said_by_us

MAX_ASKED = 100
USUAL = rules.compile_pattern(None)
_PIECES = re.compile(r"[0-9]+")
_DIGITS = re.compile(r"(?<![0-9])[0-9]{4,12}(?![0-9])")


class Decision(enum.StrEnum):
    """What was decided about one message."""

    CREATED = "created"
    RESUBMITTED = "resubmitted"
    HISTORY = "history"
    ACTIVATED = "activated"
    ACTIVATED_BEFORE = "activated_before"
    REFUSED = "refused"
    HELD = "held"
    DISMISSED = "dismissed"
    NOT_WATCHED = "not_watched"
    NO_LONGER_WATCHED = "no_longer_watched"
    BEFORE_RULES = "before_rules"
    OURS = "ours"
    DELETED = "deleted"
    EDITED_AWAY = "edited_away"
    PARKED = "parked"
    NOT_A_DROP = "not_a_drop"
    MISSING = "missing"


class Told(msgspec.Struct, frozen=True):
    """One message that names the drop: said by whom, when and where, seen when, and what was decided."""

    message_id: int
    project: str | None
    chat: str
    sender: str
    by_hand: bool
    said_at: datetime
    seen_at: datetime
    text: str
    edits: list[Revision]
    deleted: bool
    decision: Decision
    detail: str = ""  # who judged it, why it is parked, or which outgoing message it repeats


class Absence(msgspec.Struct, frozen=True):
    """What there is where nothing of a drop is stored: who was heard of, and which drops are like it."""

    groups: list[GroupHeard]
    bridge_at: datetime | None
    bridge_newest: str | None
    bridge_problem: str | None
    neighbours: list[Near]
    similar: list[Near]


class Story(msgspec.Struct, frozen=True):
    """Everything that is known of one drop.

    ``missing`` names registers in which a post of it ought to be and is not, ``left_out`` those from which it was taken
    on purpose. ``answers`` are what its posters were told. ``listed`` are the projects whose lists have it,
    ``validated`` those that ask for one, with the size of their lists.
    """

    drop_number: str
    posts: list[Told]
    more_posts: bool
    reviews: list[ReviewStands]
    activations: list[ActivationStands]
    refusals: list[RefusalStands]
    listed: list[str]
    validated: dict[str, int]
    changes: list[Changed]
    missing: list[str]
    left_out: list[str]
    absence: Absence | None
    answers: list[Answer] = []


async def explain(conn: Conn, business: Business, asked: str) -> Story:
    """The story of a drop, its number spelled in any way. Raises Invalid for what can be no drop number."""
    rows = await project_store.every(conn, business.id)
    projects = [project_of(row) for row in rows]
    active = {row.group for row in rows if row.active}
    held = await registers.watched(conn, business)
    drop = drop_asked(asked, projects)
    sought = Sought(drop, digits_of(drop), held.spaces, [row.name for row in rows])
    found = await naming.named(conn, business.id, sought)
    ours = await said_by_us(conn, business.id, [one.id for one in found])
    by_group = {project.group: project for project in projects}
    posts = [
        told
        for one in found
        if (told := tell(one, drop, by_group.get(one.chat), active=one.chat in active, ours=ours.get(one.id)))
        is not None
    ]
    since = {row.group: row.rules_since for row in rows if row.active}
    posts = [_under_its_rules(told, since) for told in posts]
    reviews = await store.reviews(conn, business.id, sought)
    activations = await store.activations(conn, business.id, sought)
    sizes = await store.list_sizes(conn, business.id)
    nothing = not (posts or reviews or activations)
    left_out = await register_store.left_out(conn, business.id, drop)
    missing = await _missing(conn, held, drop, [one.id for one in found])
    return Story(
        drop_number=drop,
        posts=posts,
        more_posts=len(found) == MOST,
        reviews=reviews,
        activations=activations,
        refusals=await store.refusals(conn, business.id, sought),
        listed=await store.listed(conn, business.id, drop),
        validated={one.name: sizes.get(one.name, 0) for one in projects if one.validated and one.group in active},
        changes=await store.changes(conn, business.id, drop, [review.id for review in reviews]),
        missing=[register for register in missing if register not in left_out],
        left_out=[register for register in left_out if register in missing],
        absence=await _absence(conn, business, sought) if nothing else None,
        answers=await answers.of_drop(conn, business.id, drop, [review.id for review in reviews]),
    )


async def _missing(conn: Conn, held: registers.Watched, drop: str, ids: Sequence[int]) -> list[str]:
    stored = await register_store.messages(conn, held.business.id, ids)
    posts = [post for post in await registers.posts_of(conn, held, stored) if post.drop_number == drop]
    return sorted({gap.register for gap in await registers.missing(conn, held, posts)})


async def _absence(conn: Conn, business: Business, sought: Sought) -> Absence:
    around, alike = neighbours(sought.drop_number), similar(sought.drop_number)
    found = {one.drop_number: one for one in await store.near(conn, business.id, around + alike, sought)}
    read_at, newest, problem = await store.bridge(conn, business.id)
    return Absence(
        await store.heard(conn, business.id),
        read_at,
        newest,
        told_plainly(problem) if problem else None,
        [found[drop] for drop in around if drop in found],
        [found[drop] for drop in alike if drop in found and drop not in around],
    )


def told_plainly(problem: str) -> str:
    """What is wrong with the bridge, for whoever may see drops: no path and nothing of a file. Pure."""
    report = health.plain(HealthReport("", "wrong", [Check("bridge", "wrong", problem)]))
    return report.checks[0].says


def drop_asked(asked: str, projects: Iterable[Project]) -> str:
    """The drop number that somebody means: ``dr 1752104``, ``DR-1752104``, ``1752104``, ``Drop number 1752104``. Pure.

    Raises Invalid where there is none, or more than one.
    """
    text = " ".join(asked.replace("\0", "").split())
    if not text or len(text) > MAX_ASKED:
        raise Invalid("Give a drop number, such as DR1752104.")
    for pattern in [USUAL, *(project.pattern for project in projects)]:
        found = rules.drops_in(text, pattern)
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            raise Invalid("Give one drop number at a time.")
    numbers = _DIGITS.findall(text)
    if len(_PIECES.findall(text)) > 1:
        raise Invalid("Give the drop number in one piece, such as DR1752104.")
    if len(numbers) == 1:
        return f"DR{numbers[0]}"
    return rules.normalised(text)[: rules.MAX_DROP_LENGTH]


def digits_of(drop: str) -> str:
    """What every spelling of a drop number holds: its digits, or all of it where it has hardly any."""
    found = re.search(r"[0-9]{4,}", drop)
    return found[0] if found else drop


def tell(message: Named, drop: str, project: Project | None, *, active: bool, ours: int | None) -> Told | None:
    """What was decided about one message; None for one that only holds the digits within another number. Pure.

    ``ours`` is the number of the outgoing message that it repeats, if it is our own.
    """
    decision, detail = _decided(message, drop, project, active=active, ours=ours)
    texts = [message.text, *(revision.text for revision in message.revisions)]
    if decision is Decision.NOT_A_DROP and not any(_stands_alone(digits_of(drop), text) for text in texts):
        return None
    return Told(
        message.id,
        message.effect_project or message.marketing_project or (project.name if project else None),
        message.chat,
        message.sender,
        message.channel == "manual",
        message.said_at,
        message.seen_at,
        message.text,
        message.revisions,
        message.deleted,
        decision,
        detail,
    )


def _decided(
    message: Named, drop: str, project: Project | None, *, active: bool, ours: int | None
) -> tuple[Decision, str]:
    """The decision that the registers show, else the one that the rules made."""
    if message.parked_reason is not None:
        return Decision.PARKED, message.parked_reason
    kept = _kept(message)
    if kept is not None:
        return kept, message.judged_by or ""
    if project is None:
        return Decision.NOT_WATCHED, ""
    decision = _by_rules(message, drop, project, active=active, ours=ours is not None)
    return decision, f"#{ours}" if decision is Decision.OURS and ours is not None else ""


def _kept(message: Named) -> Decision | None:
    """What the registers say of the message, None where none has it."""
    if message.effect is not None:
        return Decision(message.effect)
    if message.marketing_project is not None:
        return Decision.ACTIVATED if message.made_activation else Decision.ACTIVATED_BEFORE
    if message.held_state in {"held", "dismissed"}:
        return Decision(message.held_state)
    return Decision.REFUSED if message.refused_reason is not None else None


def _by_rules(message: Named, drop: str, project: Project, *, active: bool, ours: bool) -> Decision:
    if message.deleted:
        return Decision.DELETED
    if ours or not rules.is_read(project, from_us=message.from_us, deleted=False):
        return Decision.OURS
    if drop not in rules.drops_in(message.text, project.pattern):
        before = any(drop in rules.drops_in(one.text, project.pattern) for one in message.revisions)
        return Decision.EDITED_AWAY if before else Decision.NOT_A_DROP
    return Decision.MISSING if active else Decision.NO_LONGER_WATCHED


def _under_its_rules(told: Told, since: Mapping[str, datetime]) -> Told:
    """What was seen under other rules than those of now is not missing."""
    if told.decision is not Decision.MISSING or told.seen_at >= since.get(told.chat, told.seen_at):
        return told
    return msgspec.structs.replace(told, decision=Decision.BEFORE_RULES)


def _stands_alone(digits: str, text: str) -> bool:
    return re.search(naming.spelled(digits), text) is not None
