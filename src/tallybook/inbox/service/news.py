"""What WhatsApp and gateways told besides messages: seen by people, and told by health until somebody has looked."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallybook.core import audit, channel_accounts
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.core.health import Check
from tallybook.inbox import news_rules as rules
from tallybook.inbox.news_rules import News, Standing, State
from tallybook.inbox.store import news as store
from tallybook.inbox.store.news import Kind

PAGE_SIZE = 50
LAST = 2**63 - 1
# Of more than these that nobody looked at, the newest hold.
WEIGHED = 500
READABLE = "All that came could be read."
QUIET = "No trouble is told of any account."


class Item(msgspec.Struct, frozen=True):
    """One thing that was told. ``label`` is what people call the account, ``words`` are the provider's fixed ones.

    ``is_new``: it may want a person, and nobody has looked yet. ``state`` says how grave it is by itself.
    """

    id: int
    channel: str
    account: str
    label: str
    kind: str
    at: datetime
    words: list[str]
    state: State
    is_new: bool


class Board(msgspec.Struct, frozen=True):
    """The kinds, and a page of what was told, the newest first; ``before`` leads to the older, None on the last page.

    ``newest`` is up to where somebody has looked who saw this page; None where it shows a part.
    """

    kinds: list[Kind]
    items: list[Item]
    before: int | None
    newest: int | None


async def board(conn: Conn, caller: Caller, kind: str | None = None, before: int | None = None) -> Board:
    """What was told, of one kind or of all. Raises NotAllowed for who is no admin, as everything here does."""
    require(caller, Right.ADMINISTER)
    business_id = caller.business_id
    under = before if before is not None and 0 < before <= LAST else LAST
    found = await store.latest(conn, business_id, kind, under, PAGE_SIZE + 1)
    labels = {(one.channel, one.account): one.label for one in await channel_accounts.listed(conn, business_id)}
    items = [_item(one, labels.get((one.channel, one.account), ""), is_new=new) for one, new in found[:PAGE_SIZE]]
    older = items[-1].id if len(found) > PAGE_SIZE else None
    newest = items[0].id if items and under == LAST and kind is None else None
    return Board(await store.kinds(conn, business_id), items, older, newest)


async def whole(conn: Conn, caller: Caller, news_id: int) -> object:
    """One as it came, with all that stands in it: for a person at the terminal. Raises NotFound."""
    require(caller, Right.ADMINISTER)
    found = await store.whole(conn, caller.business_id, news_id) if 0 < news_id <= LAST else None
    if found is None:
        raise NotFound("There is no such news.")
    return found[0]


async def see(conn: Conn, caller: Caller, upto: int) -> int:
    """Says that the caller has looked at all up to this one: health is quiet of it. Returns how many nobody had."""
    require(caller, Right.ADMINISTER)
    new = await store.see(conn, caller.business_id, max(0, min(upto, LAST)))
    if new:
        await audit.record_by(conn, caller, "news.seen", "news", str(upto), after={"items": new})
    return new


async def checks(conn: Conn, business: Business, _: datetime) -> list[Check]:
    """Whether a provider told of trouble with an account, and whether all that came could be read."""
    accounts = [one for one in await channel_accounts.listed(conn, business.id) if one.channel in rules.CHANNELS]
    if not accounts:
        return []
    count, last_at = await store.unread(conn, business.id)
    says = {0: READABLE, 1: "1 thing that came cannot be read."}.get(count, f"{count} things that came cannot be read.")
    readable = Check("unreadable", "wrong" if count else "ok", says, last_at)
    standing = rules.standing(await store.weighty(conn, business.id, WEIGHED))
    labels = {(one.channel, one.account): one.label for one in accounts}
    return [readable, *([_check(one, labels) for one in standing] or [Check("account", "ok", QUIET)])]


def _check(one: Standing, labels: dict[tuple[str, str], str]) -> Check:
    label = labels.get((one.channel, one.account), "")
    name = f"account {label} ({one.account})" if label else f"account {one.account}"
    return Check(name, one.state, one.says, one.since)


def _item(news: News, label: str, *, is_new: bool) -> Item:
    weight = rules.weighed(news)
    state: State = "wrong" if news.kind == rules.UNREADABLE else weight.state if weight else "ok"
    return Item(
        news.id,
        news.channel,
        news.account,
        label,
        news.kind,
        news.seen_at,
        rules.words_of(news),
        state,
        is_new,
    )
