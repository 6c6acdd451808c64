"""What the product says in groups, at the terminal: seen, stopped, let go."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tallybook.core import businesses, people
from tallybook.core.db import Conn
from tallybook.monitor.service import reply_board
from tallybook.monitor.service.reply_board import Board, Look

from .opening import Env, Json, opened, run, say


def replies(
    stop: Annotated[bool, typer.Option("--stop", help="Stop all sending to groups; what waits is held.")] = False,
    go: Annotated[bool, typer.Option("--go", help="Let it go on, what waited first.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Drop what waits, for good.")] = False,
    business: Annotated[str | None, typer.Option(help="Needed where there are several.")] = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Say what waits to be said in groups and what became of the rest. Without an option it only looks."""
    if stop and go:
        raise typer.BadParameter("Say --stop or --go, not both.")

    async def turn(conn: Conn) -> Board:
        known = await businesses.find(conn, business)
        caller = people.command_line(known.id)
        if stop:
            await reply_board.stop(conn, caller)
        if drop:
            await reply_board.drop(conn, caller)
        if go:
            await reply_board.release(conn, caller)
        return await reply_board.board(conn, known, Look(limit=1))

    async def work() -> Board:
        async with opened(env) as application:
            return await application.db.run("turn replies", turn)

    board = run(work())
    told: dict[str, Any] = {"stopped": board.stop is not None, **board.counts}
    if board.stop is not None:
        told |= {"stopped_by": board.stop.who, "stopped_at": board.stop.at.isoformat()}
    say(told, lambda: "\n".join(_lines(board)), as_json=as_json)


def _lines(board: Board) -> list[str]:
    if board.stop is None:
        first = "Sending to groups is on."
    else:
        first = f"Sending to groups was stopped by {board.stop.who} at {board.stop.at:%Y-%m-%d %H:%M:%S %Z}."
    names = {"trouble": "want a person"}
    return [first, *(f"{names.get(part, part)}: {count}" for part, count in board.counts.items() if count)]
