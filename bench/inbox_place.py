"""Where the inbox is measured: the product on an embedded server of its own, with one business and one number."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import webhook_load

from tallybook.app import App, first_business, open_app
from tallybook.cli.opening import on_server
from tallybook.core import channel_accounts, embedded, environment, log, people
from tallybook.core.businesses import Business
from tallybook.demo.setup import write_projects
from tallybook.settings import Settings


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[App, Business, str]]:
    """The product on a server of its own, a business with a number in it, and the address for its owner's work."""
    given = {"TALLYBOOK_WHATSAPP_APP_SECRET": webhook_load.SECRET, "TALLYBOOK_LOG_LEVEL": "warning"}
    settings = dataclasses.replace(Settings.load(given, folder), data_dir=folder, config=folder / "tallybook.toml")
    log.configure("json", None, settings.log_level, "prod", settings.secret_keys()[0])
    write_projects(settings.config)
    async with embedded.running(folder, exclusive=False) as server:
        role = environment.role_of("prod")
        await environment.create(server.owner_url, "prod", {role: server.password_for(role)})
        async with open_app(on_server(settings, server)) as app:
            business = await app.db.run("business", lambda conn: first_business(conn, app.settings))
            assert business is not None
            system = people.command_line(business.id)
            number = channel_accounts.NewAccount(channel="whatsapp", account=webhook_load.NUMBER)
            await app.db.run("number", lambda conn: channel_accounts.add(conn, app.seal, system, number))
            yield app, business, server.superuser_url
