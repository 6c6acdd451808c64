"""``inbox news``: what WhatsApp and gateways told besides messages."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from tallybook.core import businesses, people
from tallybook.core.callers import Caller
from tallybook.core.db import Conn
from tallybook.inbox.service import news as service
from tallybook.inbox.service.news import Board

from .opening import Env, Json, opened, run, say

InBusiness = Annotated[str | None, typer.Option("--business", help="Needed where there are several.")]
EMPTY = "Nothing was told besides messages."


async def _caller(conn: Conn, business: str | None) -> Caller:
    return msgspec.structs.replace(people.command_line(0), business=await businesses.find(conn, business))


def news(
    kind: Annotated[str | None, typer.Option(help="One kind alone, such as account:account_update.")] = None,
    show: Annotated[int | None, typer.Option(help="Print one as it came: people's words may stand in it.")] = None,
    seen: Annotated[int | None, typer.Option(help="Somebody has looked at all up to this number.")] = None,
    business: InBusiness = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """List what WhatsApp and gateways told besides messages: how much of each kind, and the newest."""

    async def work(conn: Conn) -> object:
        caller = await _caller(conn, business)
        if show is not None:
            return await service.whole(conn, caller, show)
        if seen is not None:
            return await service.see(conn, caller, seen)
        return await service.board(conn, caller, kind)

    async def opened_work() -> object:
        async with opened(env) as application:
            return await application.db.run("list news", work)

    found = run(opened_work())
    if isinstance(found, Board):
        _listed(found, as_json=as_json)
    elif show is not None:
        say(found, msgspec.json.format(msgspec.json.encode(found), indent=2).decode(), as_json=as_json)
    else:
        say({"seen": found}, f"Looked at: {found} that nobody had.", as_json=as_json)


def _listed(found: Board, *, as_json: bool) -> None:
    if as_json or not found.items:
        say(msgspec.to_builtins(found), EMPTY, as_json=as_json)
        return
    kinds = Table("kind", "how many", "new", "last", box=None, pad_edge=False)
    for each in found.kinds:
        kinds.add_row(each.kind, str(each.items), str(each.new), f"{each.last_at:%Y-%m-%d %H:%M %Z}")
    items = Table("number", "kind", "said", "account", "when", "", box=None, pad_edge=False)
    for one in found.items:
        when, new = f"{one.at:%Y-%m-%d %H:%M %Z}", "new" if one.is_new else ""
        items.add_row(str(one.id), one.kind, " ".join(one.words), one.label or one.account, when, new)
    console = Console(markup=False, highlight=False, emoji=False)
    console.print(kinds)
    console.print()
    console.print(items)
