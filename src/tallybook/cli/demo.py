"""The demo: the product on a folder of its own, with a made-up day being played into it."""

from __future__ import annotations

import dataclasses
import os
import secrets
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
    password = kept_password(folder / "password")

    async def prepare(app: App) -> list[str]:
        typer.echo("Preparing the demo: two weeks of made-up posts …")
        await setup.prepare(app, password)
        return [
            f"Tallybook demo: {settings.public_url}",
            f"Everything in it is made up. Log in as {setup.ADMIN} with the demo's password {password}",
            f"A post comes in every {every:g} seconds. Ctrl-C stops the demo; to begin anew, delete {folder}",
        ]

    bridge = ("-m", "tallybook.demo.bridge", str(folder / "store"), str(every))
    run(supervise.run_product(settings, typer.echo, supervise.Product(prepare, {"demo bridge": bridge})))


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


def kept_password(file: Path) -> str:
    """The demo's password, made once and kept in its folder: a fixed one would let in whoever reads the manual."""
    if file.exists():
        return file.read_text(encoding="utf-8").strip()
    password = one_time()
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as lines:
        lines.write(password)
    draft.replace(file)
    return password
