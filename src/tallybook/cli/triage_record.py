"""The command that reads who changed what in the rota."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Annotated, Any

import msgspec
import typer

from tallybook.core import businesses
from tallybook.core.audit import Entry
from tallybook.core.db import Conn
from tallybook.triage.store import record as store

from .opening import Env, Json, opened, run, say

MOST = 1000


async def entries(env: str | None, business: str | None, kind: str | None, limit: int) -> list[Entry]:
    """The newest changes of a business's rotas, of one kind or of all. Raises NotFound."""
    subjects = [kind] if kind is not None else store.SUBJECTS

    async def read(conn: Conn) -> list[Entry]:
        home = await businesses.find(conn, business)
        return await store.recent(conn, home.id, subjects, limit=limit)

    async with opened(env) as application:
        return await application.db.run("read record", read)


def record(
    kind: Annotated[str | None, typer.Option(help="What was changed, such as override, roster or sprint.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="How many, the newest first.")] = 50,
    business: Annotated[str | None, typer.Option(help="Needed where there are several.")] = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Say who changed what in the rota, when, and from what to what."""
    if kind is not None and kind not in store.SUBJECTS:
        raise typer.BadParameter(f"It is one of: {', '.join(store.SUBJECTS)}.")
    found = run(entries(env, business, kind, limit))
    say(
        msgspec.to_builtins(found),
        "\n".join(_told(one) for one in found) or "Nothing was changed yet.",
        as_json=as_json,
    )


def _told(one: Entry) -> str:
    before, after = one.before or {}, one.after or {}
    names = [*after, *(name for name in before if name not in after)]
    head = f"{one.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z  {one.who}  {one.action}  {one.subject} {one.subject_id}"
    differing = [
        f"    {name}: {_text(before.get(name))} -> {_text(after.get(name))}"
        for name in names
        if before.get(name) != after.get(name)
    ]
    return "\n".join([head, *differing])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
