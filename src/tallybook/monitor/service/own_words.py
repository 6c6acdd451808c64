"""What we said ourselves is no post: the one place where filing, holding, the register check and explaining ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallybook.core import echoes
from tallybook.core.db import Conn
from tallybook.monitor.types import Post

from . import feedback


async def said_by_us(conn: Conn, business_id: int, ids: Sequence[int]) -> Mapping[int, int]:
    """Which of these stored messages say what we sent, with the number of the outgoing message that said it."""
    return await echoes.ours(conn, business_id, ids)


async def by_others(
    conn: Conn, business_id: int, said: tuple[Sequence[Post], Sequence[int]], *, proving: bool = False
) -> list[Post]:
    """The posts that are not our own words. ``said``: posts, and the messages that may be what we sent.

    ``proving``: what came back from our own numbers is taken as the proof of its sending.
    """
    posts, maybe_ours = said
    if proving:
        ours = await echoes.come_back(conn, business_id, maybe_ours, feedback.told)
    else:
        ours = await echoes.ours(conn, business_id, maybe_ours)
    return [post for post in posts if post.message_id not in ours]
