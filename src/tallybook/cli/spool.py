"""The spool: what came in while the database was away."""

from __future__ import annotations

import msgspec
import typer

from tallybook.core import receive, spool
from tallybook.core.spool import Replayed, Spool, SpoolStatus

from .opening import Env, Json, opened, run, say, settings_of

app = typer.Typer(no_args_is_help=True, help="What came in while the database was away, kept on disk.")


@app.command()
def status(env: Env = None, as_json: Json = False) -> None:
    """Say what lies in the spool. Works while the database is away."""
    found = run(spool.status(settings_of(env).spool_dir))
    say(msgspec.to_builtins(found), lambda: _in_words(found), as_json=as_json)


@app.command()
def replay(env: Env = None, as_json: Json = False) -> None:
    """Store what lies in the spool, except what a running process still holds: that one does so by itself.

    Exit code 1 if something is left or damaged.
    """

    async def work() -> Replayed:
        async with opened(env) as application:
            settings = application.settings
            async with Spool.open(settings.spool_dir, settings.spool_limit_bytes) as own:
                return await receive.replay(application.db, own)

    done = run(work())
    text = f"{done.records} stored; {done.quarantined} damaged and kept apart; {done.left} files left for another try."
    say(msgspec.to_builtins(done), text, as_json=as_json)
    if done.left or done.quarantined:
        raise typer.Exit(1)


def _in_words(found: SpoolStatus) -> str:
    if not found.records and not found.quarantined:
        return "The spool is empty."
    since = f", the oldest since {found.oldest_at:%Y-%m-%d %H:%M:%S %Z}" if found.oldest_at else ""
    return f"{found.records} wait on disk{since}; {found.quarantined} are damaged and kept apart; {found.bytes} bytes."
