"""Background work of the inbox: deciding, all day, on what customers wrote, and counting how that ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from tallybook.channels.llm.chat import Model
from tallybook.core import businesses
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.standing import Rhythm, again_and_again
from tallybook.core.wakeups import either

from .answer_types import BoardDay, Bot, Mode
from .service import answering, bot_board
from .service.answering import Turn
from .service.bot_typing import Shows
from .service.model_answers import Brain, Rest

EVERY_SECONDS = 5.0
APART_SECONDS = 1.0  # between two looks: a burst ends by the clock, and no wake-up makes it end sooner
RATE_SECONDS = 60.0
WAITS = "What customers wrote waits to be decided on"
UNCOUNTED = "How the bot does waits to be counted"


async def keep_deciding(
    db: Database,
    bot: Callable[[], Awaitable[Bot]],
    stop: asyncio.Event,
    wake: asyncio.Event,
    model: Model | None = None,
    typing: Shows | None = None,
) -> None:
    """Decides for every business until ``stop`` is set, at each ``wake`` and every five seconds.

    ``model`` is asked where the bot is told of one; without it the bot knows the business's own answers. By ``typing``
    a customer is shown that the bot writes, where that is wished.
    """
    rest = Rest()

    async def work() -> None:
        told = await bot()
        for number, business in enumerate(await db.run("list businesses", businesses.every)):
            its = bot_of(told, business, is_first=number == 0)
            brain = Brain(model, its.model, rest) if model is not None and its.model is not None else None
            shows = typing if its.shows_typing else None
            await answering.decide_due(db, Turn(business, its, datetime.now(UTC), brain, typing=shows))
        await either(stop, asyncio.Event(), APART_SECONDS)

    await again_and_again(db, Rhythm(stop, EVERY_SECONDS, wake), work, WAITS)


async def keep_rating(db: Database, bot: Callable[[], Awaitable[Bot]], stop: asyncio.Event) -> None:
    """Keeps the gauge of the response rate until ``stop`` is set; while the database is away it stays as it was.

    Of a business whose bot is off nothing is counted.
    """

    async def work() -> None:
        told = await bot()

        async def count(conn: Conn) -> dict[str, BoardDay]:
            listed = enumerate(await businesses.every(conn))
            speaks = [one for number, one in listed if mode_of(told, one, is_first=number == 0) is not Mode.OFF]
            return {one.name: await bot_board.last_day(conn, one, datetime.now(UTC)) for one in speaks}

        bot_board.show(await db.run("count answers of a day", count))

    await again_and_again(db, Rhythm(stop, RATE_SECONDS), work, UNCOUNTED)


def bot_of(told: Bot, business: Business, *, is_first: bool) -> Bot:
    """The bot of a business, which is off where it is another's; ``is_first`` where it is the installation's first."""
    return told if told.business == business.name or (told.business is None and is_first) else Bot()


def mode_of(told: Bot, business: Business, *, is_first: bool) -> Mode:
    """What the bot may do for a business; ``is_first`` where it is the installation's first."""
    return bot_of(told, business, is_first=is_first).mode
