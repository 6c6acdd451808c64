"""The composition root: the only file that knows everyone."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from .channels.bridge.reader import BridgeSource
from .channels.bridge.sender import Addresses, BridgeSender
from .channels.gateway.files import GatewayFiles
from .channels.gateway.sender import GatewaySender
from .channels.llm.client import Endpoint
from .channels.slack.sender import LIMITS as SLACK_LIMITS
from .channels.slack.sender import SlackSender
from .channels.slack.tokens import Tokens
from .channels.whatsapp.media import WhatsAppFiles
from .channels.whatsapp.sender import TokenOf, WhatsAppSender
from .core import businesses, channel_accounts, outbox, rates
from .core.businesses import Business
from .core.channel import Sender
from .core.db import Conn, Database, open_database
from .core.deliveries import ChannelEntry
from .core.errors import TallybookError, WrongSetup
from .core.login_limits import Limits
from .core.passwords import Passwords
from .core.sealing import Seal
from .core.signatures import split_secrets
from .customer_files import CustomerFiles
from .monitor import rules
from .monitor.jobs import Watch
from .monitor.service.filing import Desk
from .monitor.store import projects as project_store
from .monitor.types import Kind, Project
from .projects_file import BridgeEntry, ProjectEntry, ProjectsFile, read_projects_file
from .rota_snapshot import nothing_else, path_of, shelf
from .settings import Settings
from .told_channels import told_channels


@dataclass(frozen=True)
class App:
    """What the entry points stand on: made once per process by ``open_app``.

    ``channels`` are those that are told by webhooks, ``senders`` those that we send by; each by its name. ``model``
    is a language model's endpoint, None where no address of one is set. ``remember`` learns what is needed while the
    database is away.
    """

    settings: Settings
    db: Database
    secret_keys: list[bytes]
    limits: Limits
    passwords: Passwords = field(default_factory=Passwords)
    channels: Mapping[str, ChannelEntry] = field(default_factory=dict)
    senders: Mapping[str, Sender] = field(default_factory=dict)
    model: Endpoint | None = None
    remember: Callable[[], Awaitable[None]] = nothing_else

    @property
    def seal(self) -> Seal:
        """What encrypts the businesses' access tokens."""
        return Seal(self.secret_keys)


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[App]:
    """Everything that a process needs, closed again at the end. Opens even while the database is away.

    The settings must name a database: whoever starts the embedded one puts its address in first.
    """
    if settings.database_url is None:
        raise WrongSetup("No database is named, and the embedded one has not been started.")
    keys = settings.secret_keys()
    async with open_database(settings.database_url, settings.env, tries=settings.transaction_tries) as db:
        groups, customers = bridge_sender(settings), whatsapp_sender(settings, db, Seal(keys))
        tokens = slack_tokens(settings, db, Seal(keys))
        gateway, slack = gateway_sender(settings, db, Seal(keys)), slack_sender(settings, db, tokens)
        senders: dict[str, Sender] = {one.name: one for one in (groups, customers, gateway, slack)}
        model = Endpoint(settings.llm_api_url, settings.llm_api_key) if settings.llm_api_url else None
        told = told_channels(settings)
        try:
            yield App(
                settings, db, keys, Limits(keys[0]),
                channels=told, senders=senders, model=model, remember=tokens.learn,
            )  # fmt: skip
        finally:
            if model is not None:
                await model.aclose()
            await groups.aclose()
            await customers.aclose()
            await gateway.aclose()
            await slack.aclose()


def bridge_sender(settings: Settings) -> BridgeSender:
    """What answers in groups, by the addresses that are set. It opens nothing until it sends."""
    return BridgeSender(Addresses(settings.bridge_api_url, settings.bridge_sender_url, settings.bridge_token))


def gateway_sender(settings: Settings, db: Database, seal: Seal) -> GatewaySender:
    """What answers customers of an unofficial number, by the address that is set."""
    given = inbox_files(settings, db, seal).given
    return GatewaySender(settings.gateway_api_url, split_secrets(settings.gateway_secret or ""), given)


def slack_tokens(settings: Settings, db: Database, seal: Seal) -> Tokens:
    """In each workspace the token that its business gave, else the settings'; also while the database is away."""

    async def every() -> Mapping[str, str | None]:
        return await db.run("look up access tokens", lambda conn: channel_accounts.tokens(conn, seal, SlackSender.name))

    def has_none(account: str) -> bool:
        found = shelf(path_of(settings)).current()
        return found is not None and account in found.tokenless

    given = _token_of(db, seal, SlackSender.name)
    return Tokens(given, settings.slack_bot_token, every, is_away=lambda: db.is_away, has_none=has_none)


def slack_sender(settings: Settings, db: Database, tokens: Tokens) -> SlackSender:
    """What speaks on Slack, in each workspace by its token."""

    async def look_up(account: str, key: str, conn: Conn) -> tuple[str | None, bool]:
        owner = (await channel_accounts.owners(conn, [account], SlackSender.name)).get(account)
        return await outbox.sent_as(conn, owner.id, SlackSender.name, key) if owner else (None, True)

    async def sent_as(account: str, key: str) -> tuple[str | None, bool]:
        return await db.run("look up a message on Slack", partial(look_up, account, key))

    tries, pause = settings.slack_tries, float(settings.slack_longest_pause)
    limits = dataclasses.replace(SLACK_LIMITS, most_faults=tries, longest_pause=pause)
    return SlackSender(settings.slack_api_url, tokens.of, sent_as=sent_as, limits=limits)


def whatsapp_sender(settings: Settings, db: Database, seal: Seal) -> WhatsAppSender:
    """What answers customers, each by the number to which they wrote, with the token that its business gave."""
    token_of = _token_of(db, seal, WhatsAppSender.name)
    return WhatsAppSender(settings.whatsapp_api_url, token_of, inbox_files(settings, db, seal).given)


def inbox_files(settings: Settings, db: Database, seal: Seal) -> CustomerFiles:
    """The files of customers and those that they are sent, by the same tokens and secrets."""
    whatsapp = WhatsAppFiles(settings.whatsapp_api_url, _token_of(db, seal, WhatsAppSender.name))
    gateway = GatewayFiles(settings.gateway_api_url, split_secrets(settings.gateway_secret or ""))
    return CustomerFiles(settings, db, {WhatsAppSender.name: whatsapp, GatewaySender.name: gateway})


def _token_of(db: Database, seal: Seal, channel: str) -> TokenOf:

    async def look_up(account: str, conn: Conn) -> str | None:
        owner = (await channel_accounts.owners(conn, [account], channel)).get(account)
        return await channel_accounts.token(conn, seal, owner.id, channel, account) if owner else None

    async def token_of(account: str) -> str | None:
        return await db.run("look up an access token", partial(look_up, account))

    return token_of


@dataclass
class Watching:
    """What the projects file says is to be watched; the file is read again when it changes, without a restart."""

    app: App
    read: tuple[int, int] | None = None
    watch: Watch | None = None
    entry: BridgeEntry | None = None

    async def current(self) -> Watch | None:
        """The bridge and its desk, or None where no bridge is named.

        A mistake in a file that was right before is told with the watch, which goes on as it was. Raises an error
        where there is nothing to go on with; the next call looks again.
        """
        path = self.app.settings.config
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        stamp = (stat.st_mtime_ns, stat.st_size)
        if stamp != self.read:
            try:
                await self._take(read_projects_file(path))
            except TallybookError as error:
                if self.watch is None:
                    raise
                self.watch = dataclasses.replace(self.watch, mistake=error.message)
            self.read = stamp
        return self.watch

    async def _take(self, file: ProjectsFile) -> None:
        projects = [_project(entry) for entry in file.monitor.read_by(self.app.settings.env)]

        async def mirror(conn: Conn) -> Business:
            business = await businesses.of_file(conn, file.monitor.business)
            await project_store.mirror(conn, business.id, projects)
            return business

        business = await self.app.db.run("mirror projects", mirror)
        replies = file.monitor.replies
        desk = Desk({project.group: project for project in projects}, business.zone, replies.manner)
        self._limit(replies.limits)
        before = self.watch
        if before is not None and self.entry == file.bridge and file.bridge is not None:
            self.watch = Watch(business, before.bridge, desk, file.bridge.poll_seconds)
            return
        if before is not None:
            await before.bridge.aclose()
        if file.bridge is None:
            self.watch = None
        else:
            self.watch = Watch(business, self._source(file.bridge), desk, file.bridge.poll_seconds)
        self.entry = file.bridge

    def _limit(self, limits: rates.Limits) -> None:
        """A sender takes up new limits at its next send."""
        sender = self.app.senders.get(BridgeSource.name)
        if isinstance(sender, BridgeSender):
            sender.limits = limits

    def _source(self, entry: BridgeEntry) -> BridgeSource:
        return BridgeSource(entry.account, entry.messages, entry.whatsapp, self._groups, entry.own_numbers)

    def _groups(self) -> frozenset[str]:
        return frozenset(self.watch.desk.projects) if self.watch else frozenset()


async def first_business(conn: Conn, settings: Settings) -> Business | None:
    """On an empty installation, makes the business that the projects file speaks of. None if there are any already."""
    if await businesses.every(conn):
        return None
    monitor = read_projects_file(settings.config).monitor if settings.config.exists() else None
    name = monitor.business if monitor and monitor.business else "My business"
    return await businesses.add(conn, name, monitor.time_zone if monitor else "UTC")


def _project(entry: ProjectEntry) -> Project:
    return Project(
        name=entry.name,
        group=entry.group,
        kind=Kind(entry.kind),
        space=entry.drop_space,
        validated=entry.validated,
        pattern=rules.compile_pattern(entry.pattern),
        own_posts_count=entry.own_posts_count,
    )
