"""What nobody can file is kept all the same: in the best form that the database takes, and told of once it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b

import msgspec
import structlog
from psycopg import DataError, IntegrityError
from psycopg import Error as DatabaseError
from psycopg import errors as pg

from . import json_text, violations, violations_kept
from .db import Database, is_transient
from .messages import Identity, Incoming, Media
from .work import reason_of

LARGEST = 2**63 - 1  # what a bigint holds
STUB_TEXT = 100_000  # characters
STUB_NAME = 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


class Refusal(msgspec.Struct, frozen=True):
    """A message that could not be filed and is parked: the row that keeps it, and what was in its way."""

    message_id: int
    channel: str
    error: Exception


def is_the_messages(error: Exception) -> bool:
    """Whether a fault lies in what the messages hold, and not in the database or the release, which are mended.

    Something too large for an index or a statement (54000) is the message's, although its class says "operational".
    """
    if isinstance(error, DatabaseError):
        return isinstance(error, DataError | IntegrityError | pg.ProgramLimitExceeded)
    return not is_transient(error)


def keepable(incoming: Incoming) -> Iterator[Incoming]:
    """The forms in which a message may be kept, the fullest first; the last holds little, under a key that any fits."""
    cleaned = _cleaned(incoming)
    yield cleaned
    yield msgspec.structs.replace(cleaned, media=None, content=None)
    yield _stub(cleaned)


def _cleaned(incoming: Incoming) -> Incoming:
    """The same without what PostgreSQL cannot hold: in its texts, its sender's and its file's, and its numbers."""
    who, media = incoming.sender, incoming.media
    texts = {
        name: json_text.plain(value)
        for name, value in msgspec.structs.asdict(incoming).items()
        if isinstance(value, str) and name != "content"
    }
    return msgspec.structs.replace(
        incoming,
        **texts,
        content=_content(incoming.content),
        said_at=_moment(incoming.said_at),
        sender=Identity(json_text.plain(who.raw), _plain(who.phone), _plain(who.lid)),
        media=media and _media(media),
    )


def _plain(text: str | None) -> str | None:
    return None if text is None else json_text.plain(text)


def _content(content: str | None) -> str | None:
    try:
        return None if content is None else json_text.storable(content)
    except (ValueError, RecursionError):
        return None


def _moment(said_at: datetime) -> datetime:
    """In UTC: a moment without a zone is taken for one, and one beyond the calendar's end is none."""
    try:
        return said_at.replace(tzinfo=said_at.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        return EPOCH


def _media(media: Media) -> Media:
    size = media.size if media.size is not None and 0 <= media.size <= LARGEST else None
    return Media(json_text.plain(media.type), json_text.plain(media.filename), media.sha256, size)


def _stub(cleaned: Incoming) -> Incoming:
    """That there was a message, and how it began. Its key is a hash of the key, so that it is known when it returns."""
    digest = blake2b("\0".join(cleaned.natural_key).encode(), digest_size=16).hexdigest()
    return msgspec.structs.replace(
        cleaned,
        channel=cleaned.channel[:STUB_NAME],
        account=cleaned.account[:STUB_NAME],
        scope=cleaned.scope[:STUB_NAME],
        external_id=f"unfilable {digest}",
        kind=cleaned.kind[:STUB_NAME],
        chat=cleaned.chat[:STUB_NAME],
        sender=Identity(cleaned.sender.raw[:STUB_NAME]),
        text=cleaned.text[:STUB_TEXT],
        media=None,
        content=None,
    )


async def tell(db: Database, refused: Sequence[Refusal]) -> None:
    """Logs what was parked, now that it is; where a constraint said no unexpectedly, that is recorded. Never raises."""
    for one in refused:
        # A traceback would print the server's detail line, which holds the key's values.
        trace = None if isinstance(one.error, DatabaseError) else one.error
        log.error("A message could not be filed and is parked", channel=one.channel, message=one.message_id,
                  reason=reason_of(one.error), exc_info=trace)  # fmt: skip
        if isinstance(one.error, violations.WATCHED):
            await violations_kept.record(db, one.error, f"messages {one.message_id}")
