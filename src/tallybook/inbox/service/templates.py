"""Templates: read from WhatsApp, told by its webhooks, chosen and sent by a person.

A business account (WABA) has the templates, a number has the conversation: which numbers are whose WhatsApp says, and
where it does not, every account of the business may be meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import msgspec
import structlog

from tallybook.core import channel_accounts
from tallybook.core.callers import Caller, Right, require
from tallybook.core.channel import SendError
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.schedules import Schedule
from tallybook.core.sealing import Seal
from tallybook.core.wakeups import wake_up
from tallybook.inbox import template_rules as rules
from tallybook.inbox.store import sending as sending_store
from tallybook.inbox.store import templates as store
from tallybook.inbox.store.templates import Sync
from tallybook.inbox.template_types import Listed, Template

from . import sending, template_news
from .outcomes import TOPIC

SYNC = template_news.SYNC
EVERY = 6 * 3600  # seconds
CHANNEL = "whatsapp"
UNREADABLE = "No number of this business has an access token: an admin can give one with `tallybook channel add`."
log = structlog.get_logger()


class Catalogue(Protocol):
    """Where templates are read from; raises a SendError where they cannot be."""

    async def templates(self, waba: str, token: str) -> list[dict[str, Any]]: ...
    async def numbers(self, waba: str, token: str) -> list[str]: ...


class Board(msgspec.Struct, frozen=True):
    """All templates of a business, and how the last reading of each of its accounts went.

    ``accounts`` are the business accounts that somebody named; without one nothing can be read.
    """

    templates: list[Template]
    syncs: list[Sync]
    accounts: list[str]


def schedules() -> list[Schedule]:
    return [Schedule("inbox.templates", SYNC, every_seconds=EVERY)]


async def ask(conn: Conn, caller: Caller, now: datetime) -> None:
    """Has the templates of the caller's business be read again, once in a minute. Raises NotAllowed."""
    require(caller, Right.ANSWER)
    await template_news.ask(conn, caller.business_id, now)


async def board(conn: Conn, caller: Caller) -> Board:
    """Raises NotAllowed."""
    require(caller, Right.SEE)
    business_id = caller.business_id
    wabas = await _wabas(conn, business_id)
    return Board(await store.every(conn, business_id), await store.syncs(conn, business_id), wabas)


async def offered(conn: Conn, caller: Caller, conversation_id: int) -> list[Template]:
    """The templates that may be sent in a thread now. Raises NotAllowed and NotFound."""
    require(caller, Right.ANSWER)
    held = await sending.hold(conn, caller.business_id, conversation_id)
    if held.channel != CHANNEL:
        return []
    known = await store.every(conn, caller.business_id, await _wabas_of(conn, caller.business_id, held.account))
    return [one for one in known if rules.why_not(one) is None]


async def one(conn: Conn, caller: Caller, template_id: int) -> Template:
    """Raises NotAllowed and NotFound."""
    require(caller, Right.SEE)
    found = await store.one(conn, caller.business_id, template_id)
    if found is None:
        raise NotFound("There is no such template.")
    return found


async def named(conn: Conn, business_id: int, account: str, name: str, language: str) -> Template:
    """The template that a number may send under a name. For whoever sends by itself. Raises NotFound."""
    found = await store.named(conn, business_id, name, language, await _wabas_of(conn, business_id, account))
    if found is None:
        raise NotFound("There is no such template.")
    return found


async def send(
    conn: Conn, caller: Caller, conversation_id: int, template: Template, values: Mapping[str, str], key: str
) -> int:
    """Leaves a template to be sent, as sending.send() does; returns the message's id.

    Raises NotAllowed, NotFound, Invalid for what WhatsApp would refuse, and Conflict.
    """
    require(caller, Right.ANSWER)
    before = await sending_store.put_before(conn, caller.business_id, sending.key_of(conversation_id, key))
    if before is not None:  # whatever became of the template since
        if before[1] != rules.shown(template, {place: value.strip() for place, value in values.items()}).text:
            raise Conflict("Another text was sent under this key. Load the page again.")
        return before[0]
    held = await sending.hold(conn, caller.business_id, conversation_id)
    wabas = await _wabas_of(conn, caller.business_id, held.account)
    if wabas is not None and template.waba not in wabas:
        raise Invalid("This template is not one of the number's by which this customer is written to.")
    return await sending.send(conn, caller, conversation_id, rules.fill(template, values), key)


async def _wabas(conn: Conn, business_id: int) -> list[str]:
    known = await channel_accounts.listed(conn, business_id)
    prefix = rules.WABA
    return [a.account.removeprefix(prefix) for a in known if a.channel == CHANNEL and a.account.startswith(prefix)]


async def _wabas_of(conn: Conn, business_id: int, account: str) -> list[str] | None:
    """The business accounts whose number this is; those that may be, where WhatsApp has not said; None for all."""
    syncs = await store.syncs(conn, business_id)
    surely = [one.waba for one in syncs if account in one.accounts]
    return surely or [one.waba for one in syncs if not one.accounts] or None


async def read_all(db: Database, seal: Seal, catalogue: Catalogue, business_id: int) -> int:
    """Reads the templates of each business account of a business; returns how many were read.

    What cannot be read is written down with its reason, and stops no other account.
    """
    tokens = await db.run("look up access tokens", lambda conn: _tokens(conn, seal, business_id))
    wabas = await db.run("list business accounts", lambda conn: _wabas(conn, business_id))
    read = 0
    for waba in wabas:
        at = datetime.now(UTC)
        await db.run("ask for templates", partial(store.asked, business_id=business_id, waba=waba, at=at))
        own = [token for account, token in tokens if account == rules.WABA + waba]
        others = [token for account, token in tokens if not account.startswith(rules.WABA)]
        try:
            read += await _read(db, catalogue, business_id, Sync(waba, at, None, 0, [], ""), own or others)
        except SendError as error:
            log.warning("Templates could not be read", business=business_id, error=type(error).__name__)
            failed = partial(store.failed, business_id=business_id, waba=waba, at=at, reason=str(error))
            await db.run("note failure", failed)
    return read


async def _tokens(conn: Conn, seal: Seal, business_id: int) -> list[tuple[str, str]]:
    known = await channel_accounts.listed(conn, business_id)
    found = []
    for account in [one.account for one in known if one.channel == CHANNEL and one.has_token]:
        token = await channel_accounts.token(conn, seal, business_id, CHANNEL, account)
        found += [(account, token)] if token else []
    return found


async def _read(db: Database, catalogue: Catalogue, business_id: int, asked: Sync, tokens: Sequence[str]) -> int:
    """Reads one account by the first token that may. Raises a SendError."""
    trouble: SendError = SendError(UNREADABLE)
    for token in tokens:
        try:
            found = await catalogue.templates(asked.waba, token)
        except SendError as error:
            trouble = error
            continue
        try:
            numbers = await catalogue.numbers(asked.waba, token)
        except SendError:  # it is good to know and not needed
            numbers = []
        listed = [one for raw in found if (one := _listed(raw)) is not None]

        async def take(conn: Conn, listed: list[Listed] = listed, numbers: list[str] = numbers) -> None:
            await store.take(conn, business_id, asked.waba, listed, asked.asked_at)
            sync = msgspec.structs.replace(asked, templates=len(listed), accounts=numbers)
            await store.done(conn, business_id, sync)
            await wake_up(conn, TOPIC, business_id)

        await db.run("take templates", take)
        return len(listed)
    raise trouble


def _listed(raw: dict[str, Any]) -> Listed | None:
    """A template as it was listed; None for one that cannot be read, which stops no other."""
    try:
        return msgspec.convert(raw, Listed, strict=False)
    except msgspec.ValidationError:
        log.warning("A template could not be read")
        return None
