"""The demo: the product on a folder of its own, with a made-up day being played into it."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path
from typing import Annotated

import typer

from tallybook.app import App
from tallybook.core.passwords import one_time
from tallybook.demo import setup
from tallybook.settings import Settings

from . import supervise
from .opening import run, settings_of

EVERY = 4.0


def demo(
    every: Annotated[float, typer.Option(help="Seconds between two posts.", min=0.05, max=3600)] = EVERY,
) -> None:
    """Run everything on a made-up day: posts keep coming in. Ctrl-C stops it; the next start goes on.

    It has a folder and a database of its own, and so takes no --env.
    """
    settings = demo_settings(settings_of("prod"))
    folder = settings.data_dir
    setup.write_projects(settings.config)
    settings = with_slack(with_whatsapp(settings))
    password = kept_password(folder / "password")

    async def prepare(app: App) -> list[str]:
        typer.echo("Preparing the demo: two weeks of made-up posts …")
        await setup.prepare(app, password)
        return [
            f"Tallybook demo: {settings.public_url}",
            f"Everything in it is made up. Log in as {setup.ADMIN} with the demo's password {password}",
            f"A post comes in every {every:g} seconds, and customers write now and then.",
            f"To try the rota as people do in Slack: {settings.slack_api_url.removesuffix('/api')}",
            f"Ctrl-C stops the demo; to begin anew, delete {folder}",
        ]

    customers = ("-m", "tallybook.demo.customers", str(folder), str(folder / setup.TOKEN), str(every))
    bridge = ("-m", "tallybook.demo.bridge", str(folder / "store"), str(every))
    slack = ("-m", "tallybook.demo.slack.playing")
    beside = {"demo bridge": bridge, "demo customers": customers, "demo Slack": slack}
    environ = whatsapp_of(settings) | slack_of(settings)
    run(supervise.run_product(settings, typer.echo, supervise.Product(prepare, beside, environ)))


def demo_settings(settings: Settings) -> Settings:
    """The settings on the demo's own folder and own database, whatever database they name: a demo touches no other."""
    folder = settings.data_dir.absolute() / "demo"
    return dataclasses.replace(
        settings,
        data_dir=folder,
        config=folder / "tallybook.toml",
        database_url=None,
        direct_database_url=None,
        owner_database_url=None,
    )


def with_whatsapp(settings: Settings) -> Settings:
    """The demo's settings with a WhatsApp of its own: nothing that is answered in a demo may leave this machine."""
    secret = kept_password(settings.data_dir / "whatsapp-secret")
    address = f"http://127.0.0.1:{free_port()}/v24.0"
    return dataclasses.replace(settings, whatsapp_app_secret=secret, whatsapp_api_url=address)


def whatsapp_of(settings: Settings) -> dict[str, str]:
    """What the demo's processes are told of its WhatsApp, in place of what they inherited."""
    return {
        "TALLYBOOK_WHATSAPP_APP_SECRET": settings.whatsapp_app_secret or "",
        "TALLYBOOK_WHATSAPP_API_URL": settings.whatsapp_api_url,
    }


def with_slack(settings: Settings) -> Settings:
    """And with a Slack of its own, which knows no other workspace."""
    folder = settings.data_dir
    return dataclasses.replace(
        settings,
        slack_signing_secret=kept_password(folder / "slack-secret"),
        slack_bot_token=kept_password(folder / "slack-token"),
        slack_app_token=None,
        slack_api_url=f"http://127.0.0.1:{free_port()}/api",
    )


def slack_of(settings: Settings) -> dict[str, str]:
    """What the demo's processes are told of its Slack; an empty value counts as none."""
    return {
        "TALLYBOOK_SLACK_SIGNING_SECRET": settings.slack_signing_secret or "",
        "TALLYBOOK_SLACK_BOT_TOKEN": settings.slack_bot_token or "",
        "TALLYBOOK_SLACK_APP_TOKEN": "",
        "TALLYBOOK_SLACK_API_URL": settings.slack_api_url,
    }


def free_port() -> int:
    """A port of this machine's own that nobody has, for the demo's WhatsApp and its Slack."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def kept_password(file: Path) -> str:
    """The demo's password, made once and kept in its folder: a fixed one would let in whoever reads the manual."""
    if file.exists():
        return file.read_text(encoding="utf-8").strip()
    password = one_time()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    setup.write_secret(file, password)
    return password
