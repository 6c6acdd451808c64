"""What a thread shows of the bot: the draft that waits, why it spoke or did not, and whether it may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tallybook.app import App
from tallybook.core import businesses
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import WrongSetup
from tallybook.inbox import jobs, responder
from tallybook.inbox.answer_types import Bot, Told
from tallybook.inbox.service import drafts
from tallybook.projects_file import read_projects_file

from . import inbox_bot_words
from .inbox_bot_words import SENT_BY, THROWN_BY
from .times import Clock

if TYPE_CHECKING:
    from .inbox import Look
    from .inbox_view import Line


@dataclass(frozen=True)
class Decided:
    """A decision as a line of its thread."""

    seq: int
    words: str
    at: str
    exact: str


async def bot_of(conn: Conn, app: App, business: Business) -> Bot:
    """What the projects file says of a business's bot; off while there is a mistake in it."""
    file = app.settings.config
    try:
        told = read_projects_file(file).bot if file.exists() else Bot()
    except WrongSetup:
        return Bot()
    first = (await businesses.every(conn))[0]
    return jobs.bot_of(told, business, is_first=first.id == business.id)


def drawn(told: Told, clock: Clock) -> Decided:
    """Pure."""
    words = inbox_bot_words.line(told.decision, told.reason, clock.words)
    if told.draft_state is not None:
        did = clock.words.gettext(SENT_BY if told.draft_state == drafts.SENT else THROWN_BY)
        words = f"{words} · {did.replace('{name}', told.draft_by or '')}"
    return Decided(told.seq, words, clock.short(told.at), clock.exact(told.at))


async def of_thread(conn: Conn, app: App, asked: Look, conversation_id: int, lines: Sequence[Line]) -> dict[str, Any]:
    """What stands in an open thread. Where the bot is off altogether, no line says so after each message."""
    caller = asked.caller
    bot = await bot_of(conn, app, caller.business)
    places = [one.bubble.seq for one in lines]
    told = await drafts.decisions(conn, caller, conversation_id, places)
    speaks = await drafts.speaks(conn, caller, conversation_id, bot)
    return {
        "decided": {one.seq: drawn(one, asked.clock) for one in told if one.reason != responder.OFF},
        "draft": await drafts.of_thread(conn, caller, conversation_id),
        "speaks": speaks,
        "bot_mode": asked.clock.words.gettext(inbox_bot_words.MODES[bot.mode]),
        "may_speak": asked.may_answer,
    }
