"""Alarms: whether those who are to be told can be reached."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from tallybook.alerting import Alerting
from tallybook.core import businesses
from tallybook.core.alarm_store import Told
from tallybook.core.errors import WrongSetup

from .opening import Env, Json, opened, run, say

app = typer.Typer(no_args_is_help=True, help="Alarms: who is told when something is wrong.")
SENT = {"sent", "delivered", "read", "captured"}


@app.callback()
def _group() -> None:
    """Keeps ``test`` a command of its own, though it is the only one."""


@app.command("test")
def send_test(
    business: Annotated[str | None, typer.Option(help="Whose alarms; needed where there are several.")] = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Send a test to everybody who is told of alarms. Exit code 1 if one of them was not reached."""

    async def work() -> list[Told]:
        async with opened(env) as application:
            alerting = Alerting(application)
            alerting.current()
            if not alerting.targets():
                raise WrongSetup(
                    f"Nobody is told of alarms: there is no [[alerts.mail]] or [[alerts.webhook]] in "
                    f"{application.settings.config}. tallybook.example.toml shows them."
                )
            named = await application.db.run("find a business", lambda conn: businesses.find(conn, business))
            return await alerting.tested(await alerting.test(named, "tallybook alerts test"))

    results = run(work())
    lines = [f"{'✓' if one.state in SENT else '✗'} {one.channel} {one.recipient}: {_said(one)}" for one in results]
    say(msgspec.to_builtins(results), "\n".join(lines), as_json=as_json)
    if not all(one.state in SENT for one in results):
        raise typer.Exit(1)


def _said(told: Told) -> str:
    return told.state if told.state in SENT or not told.reason else f"{told.state}; {told.reason}"
