"""The numbers whose messages come by webhooks: added, listed, their tokens sealed anew."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from tallybook.app import App
from tallybook.core import businesses, channel_accounts, people, resealing
from tallybook.core.channel_accounts import Added, ChannelAccount, NewAccount
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid

from .opening import Env, Json, opened, run, say

app = typer.Typer(no_args_is_help=True, help="The numbers whose messages come by webhooks, and whose they are.")
add = typer.Typer(no_args_is_help=True, help="Give a business a number.")
app.add_typer(add, name="add")

LONGEST_TOKEN = 4096
SECRETS = {
    "whatsapp": "TALLYBOOK_WHATSAPP_APP_SECRET",
    "gateway": "TALLYBOOK_GATEWAY_SECRET",
    "slack": "TALLYBOOK_SLACK_SIGNING_SECRET",
}
Named = Annotated[str | None, typer.Option("--business", help="Needed where there are several.")]
Label = Annotated[str, typer.Option(help="What people call it, such as Front desk.")]


@add.command()
def whatsapp(
    phone_number_id: Annotated[str, typer.Option("--phone-number-id", help="The number's id at Meta.")],
    waba_id: Annotated[
        str | None, typer.Option("--waba-id", help="The business account's id, for news of templates and limits.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="A file that holds the access token; else it is asked for.")
    ] = None,
    label: Label = "",
    per_second: Annotated[
        int | None,
        typer.Option(
            "--per-second",
            min=1,
            max=channel_accounts.FASTEST,
            help="Messages that WhatsApp takes of the number in a second: 20 where the app on a phone shares it.",
            show_default="80",
        ),
    ] = None,
    business: Named = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Add a number of WhatsApp's Cloud API. What came for it before is filed now."""
    token = _token(token_file)
    new = [NewAccount("whatsapp", phone_number_id, label, token, per_second=per_second)]
    if waba_id:
        new.append(NewAccount("whatsapp", f"waba:{waba_id}", label, may_be_silent=True))
    _add(new, business, env, as_json=as_json)


@add.command()
def gateway(
    account: Annotated[str, typer.Option("--account", help="The gateway's own name for the number.")],
    label: Label = "",
    business: Named = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Add a number that a gateway of one's own serves. What came for it before is filed now."""
    _add([NewAccount("gateway", account, label)], business, env, as_json=as_json)


@add.command()
def slack(
    team_id: Annotated[str, typer.Option("--team-id", help="The workspace's id, such as T0123ABCD.")],
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="A file that holds the bot's token; else it is asked for.")
    ] = None,
    label: Label = "",
    business: Named = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Add a Slack workspace. Without a token of its own, the one of TALLYBOOK_SLACK_BOT_TOKEN is used."""
    _add([NewAccount("slack", team_id, label, _token(token_file))], business, env, as_json=as_json)


@app.command("list")
def list_(env: Env = None, as_json: Json = False) -> None:
    """List the numbers, whose they are, how much came for each and when last."""

    async def work() -> list[ChannelAccount]:
        async with opened(env) as application:
            return await application.db.run("list channels", channel_accounts.listed)

    accounts = run(work())
    if as_json or not accounts:
        say(msgspec.to_builtins(accounts), "No number is added yet.", as_json=as_json)
        return
    heads = ("channel", "account", "label", "business", "token", "a second", "messages", "updates", "last came")
    table = Table(*(Column(head, overflow="fold") for head in heads), box=None, pad_edge=False)
    for one in accounts:
        last = f"{one.last_seen_at:%Y-%m-%d %H:%M %Z}" if one.last_seen_at else "never"
        sealed = "yes" if one.has_token else "no"
        pace = str(one.per_second or "")
        counts = (str(one.messages), str(one.updates))
        table.add_row(one.channel, one.account, one.label, one.business, sealed, pace, *counts, last)
    Console().print(table)


@app.command()
def reseal(env: Env = None, as_json: Json = False) -> None:
    """Encrypt every stored token, webhook and calendar address with the newest key, so that an older one may go."""

    async def work() -> int:
        async with opened(env) as application:
            return await application.db.run("seal anew", lambda conn: resealing.seal_again(conn, application.seal))

    count = run(work())
    say({"sealed": count}, f"Secrets sealed with the newest key: {count}.", as_json=as_json)


def _add(new: list[NewAccount], business: str | None, env: str | None, *, as_json: bool) -> None:
    async def work() -> tuple[list[Added], bool]:
        async with opened(env) as application:
            added = await application.db.run("add channel", lambda conn: _added(conn, application, new, business))
            return added, new[0].channel in application.channels

    added, listening = run(work())
    waiting = sum(one.waiting_again for one in added)
    lines = [f"{one.account} is {'added' if what.new else 'changed'}." for one, what in zip(new, added, strict=True)]
    if waiting:
        lines.append(f"Deliveries that came for nobody and wait again: {waiting}. A worker files them.")
    if not listening:
        setting = SECRETS[new[0].channel]
        lines.append(f"{setting} is not set here. Its webhooks are refused unless it is where the web server runs.")
    facts = {"added": [one.new for one in added], "waiting_again": waiting, "listening": listening}
    say(facts, "\n".join(lines), as_json=as_json)


async def _added(conn: Conn, application: App, new: list[NewAccount], business: str | None) -> list[Added]:
    caller = people.command_line((await businesses.find(conn, business)).id)
    return [await channel_accounts.add(conn, application.seal, caller, one) for one in new]


def _token(file: Path | None) -> str:
    """The token from the file or from who sits there; never from an argument, which other users of the machine see."""
    if file is None and not sys.stdin.isatty():
        raise typer.BadParameter("Nobody is there to ask for the token; give it with --token-file.")
    if file is None:
        token = str(typer.prompt("Access token (empty: none yet, for receiving alone)", "", hide_input=True, err=True))
    else:
        try:
            with file.open(encoding="utf-8") as opened_file:
                token = opened_file.read(LONGEST_TOKEN + 1)
        except (OSError, UnicodeDecodeError):
            raise Invalid("The token's file cannot be read.") from None
    token = token.strip()
    if len(token) >= LONGEST_TOKEN or (token and (not token.isprintable() or " " in token)):
        raise Invalid("This does not look like an access token.")
    return token
