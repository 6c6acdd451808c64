"""``inbox replay``: webhooks that were recorded come once more, as if WhatsApp had sent them now."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tallybook.channels.whatsapp.webhook import WhatsAppWebhook
from tallybook.core import deliveries
from tallybook.inbox.service import importing_bodies
from tallybook.inbox.service.importing_bodies import Held, Taken
from tallybook.told_channels import entry_of

from .opening import Env, Json, opened, run, say
from .progress import shown

SHOWN = 5  # places of what cannot be read


def replay(
    file: Annotated[Path, typer.Argument(help="A file with one JSON body on each line, of a JSON array, or a folder.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what they hold; receive nothing.")] = False,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Receive recorded webhooks of WhatsApp. May be repeated: what came before is known, and does nothing again."""
    if not file.exists():
        raise typer.BadParameter(f"There is no {file}.")
    # Who reads these bodies from a disk of ours needs no signature; the secret may not even be set here.
    hook = WhatsAppWebhook(())

    async def work() -> Held | Taken:
        async with opened(env) as app:
            if dry_run:
                return await importing_bodies.look(app.db, hook.name, file, hook.parse)
            with shown("Receiving") as progress:
                taken = await importing_bodies.replay(app.db, hook.name, file, progress)
            await deliveries.process(app.db, {hook.name: entry_of(hook)}, asyncio.Event())
            return taken

    done = run(work())
    said = _held(done) if isinstance(done, Held) else _taken(done)
    say(msgspec.to_builtins(done), said, as_json=as_json)


def _held(held: Held) -> str:
    lines = [f"{held.bodies:,} webhooks, of which {held.known:,} were received already."]
    if held.first is not None and held.last is not None:
        lines.append(f"What they say is of {held.first:%Y-%m-%d %H:%M} to {held.last:%Y-%m-%d %H:%M} UTC.")
    lines += [f"{count:>9,}  {kind}" for kind, count in held.kinds.items()]
    lines += [f"{count:>9,}  for the number {number or '(none)'}" for number, count in held.numbers.items()]
    return "\n".join([*lines, *_unreadable(held.unreadable), "Nothing was changed."])


def _taken(taken: Taken) -> str:
    lines = [f"{taken.bodies:,} webhooks: {taken.new:,} received, {taken.known:,} known already."]
    if taken.new:
        lines.append("They are filed. What is of a number that no business has waits: tallybook parked list")
    return "\n".join([*lines, *_unreadable(taken.unreadable)])


def _unreadable(places: list[str]) -> list[str]:
    if not places:
        return []
    more = " …" if len(places) > SHOWN else ""
    return [f"{len(places):,} left out, since they are no webhooks: {', '.join(places[:SHOWN])}{more}"]
