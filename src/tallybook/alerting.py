"""Who is told of an alarm, and by what: the composition of the alarms, for every process that watches.

The worker watches, and so does the web server: else nobody would tell that the worker is gone. Both also send, the
messages of alarms alone; the outbox sees to it that each leaves once.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from uuid import UUID, uuid4

import psycopg
import structlog
from prometheus_client import Counter
from psycopg_pool import PoolTimeout

from . import rota_outage, rota_snapshot
from .alerts_file import AlertsEntry
from .app import App
from .channels.mail.client import Mail
from .channels.mail.relay import Relay, relay_of
from .channels.webhook_out.client import Hook, Webhooks
from .core import alarm_store, alarms, audit, businesses, outage_alarm, outbox, violations_kept
from .core.alarm_letters import CHANNELS, MAIL, WEBHOOK, Desk, Target, Told, test_prefix
from .core.alarm_store import Episode
from .core.businesses import Business
from .core.channel import Refused, Sender, SendError
from .core.db import PROD, Conn, is_transient
from .core.errors import TallybookError
from .core.health import Check
from .core.messages import Outgoing
from .core.outage_alarm import Kept, Telling
from .core.sending import Post, deliver
from .health_report import health_report, is_away
from .projects_file import read_projects_file
from .report_file import ReportEntry
from .triage.service.telling import CHANNEL as SLACK
from .words import words

LOOK_SECONDS = 10.0
SEND_SECONDS = 2.0
GRACE_SECONDS = 10.0

counted = Counter("tallybook_alarms_total", "Alarms that people were told of, by what.", ["what"])
log = structlog.get_logger()


@dataclass
class Alerting:
    """The alarms of one process. ``senders`` are by the channel's name; a test may bring its own."""

    app: App
    look_seconds: float = LOOK_SECONDS
    entry: AlertsEntry = field(default_factory=AlertsEntry)
    report: ReportEntry = field(default_factory=ReportEntry)
    business: Business | None = None
    read: tuple[int, int] | None = None
    _business_name: str | None = None

    @cached_property
    def senders(self) -> Mapping[str, Sender]:
        return {MAIL: Mail(self._relay), WEBHOOK: Webhooks(self._hook)}

    async def run(self, stop: asyncio.Event) -> None:
        """Watches and tells until ``stop`` is set, whatever goes wrong."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again(self.look, self.look_seconds, stop))
            group.create_task(self._again(partial(self._send_what_is_due, stop), SEND_SECONDS, stop))

    async def _again(self, work: Callable[[], Awaitable[None]], seconds: float, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await work()
            except Exception as error:
                # An outage is told already; the next look is soon enough.
                if not is_transient(error):
                    log.exception("The alarms stand still for a moment")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), seconds)

    async def _send_what_is_due(self, stop: asyncio.Event) -> None:
        if not self.app.db.is_away:
            await outbox.run_outbox(self.app.db, self._post, stop, asyncio.Event(), SEND_SECONDS)

    async def look(self) -> None:
        """Looks once at everything that health looks at, and tells what has to be told."""
        self.current()
        await self._find_business()
        if not self.app.db.is_away:
            await violations_kept.flush(self.app.db, all_of_them=False)
        now = datetime.now(UTC)
        report = await health_report(self.app, now, self.business)
        away = is_away(report)
        if self.app.db.environment == PROD:
            await self._look_at_outage(now, away=away)
        if not away and self.business is not None:
            await self.judge(self.business, report.checks)
            await self._judge_others(self.business, now)

    async def _judge_others(self, owner: Business, now: datetime) -> None:
        """The other businesses by what is their own; what all share was judged with the owner's. Told is the same."""
        for other in await self.app.db.run("find businesses", businesses.every):
            if other.id == owner.id:
                continue
            report = await health_report(self.app, now, other)
            if is_away(report):
                return
            await self.judge(other, [check for check in report.checks if check.open])

    async def owner(self, conn: Conn) -> Business:
        """The business of which the projects file speaks, and so ``[alerts]`` too. Raises WrongSetup, NotFound."""
        return await businesses.of_file(conn, self._business_name)

    async def is_owner(self, conn: Conn, business_id: int) -> bool:
        """Whether it is this business; of a name in the file that nobody has it is nobody."""
        try:
            return (await self.owner(conn)).id == business_id
        except TallybookError:
            return False

    async def judge(self, business: Business, checks: list[Check]) -> list[str]:
        """Takes the steps that these checks lead to, each in a transaction of its own; returns the names told of."""

        async def steps(conn: Conn) -> list[alarms.Step]:
            shared = self.business is None or business.id == self.business.id
            found = alarms.troubles(checks, await alarm_store.refusals(conn) if shared else [])
            known = await alarm_store.alarms(conn, business.id)
            now = await alarm_store.now(conn)
            return alarms.steps(known, found, now, self.entry.terms, alarms.unseen(checks))

        letters = self.desk(business).letters
        told = []
        for step in await self.app.db.run("judge alarms", steps):

            async def take(conn: Conn, step: alarms.Step = step) -> bool:
                return await alarm_store.take(conn, business.id, step, letters)

            if await self.app.db.run("take a step of an alarm", take) and step.tell:
                told.append(step.alarm.name)
                counted.labels(step.tell).inc()
                log.warning("People are told of an alarm", alarm=step.alarm.name, what=step.tell)
        return told

    async def test(self, business: Business | None, who: str, account_id: int | None = None) -> UUID:
        """Leaves a test for everybody who would be told, as ``who`` asks; returns its number.

        ``business`` None means the one whose alarms these are. Raises WrongSetup where there is none.
        """
        self.current()
        number = uuid4()

        async def put(conn: Conn) -> None:
            self.business = business or await self.owner(conn)
            letters = self.desk(self.business).tests(number)
            for letter in letters:
                await outbox.put(conn, self.business.id, letter)
            told = {"people": len(letters)}
            await audit.record(
                conn, self.business.id, who, account_id, "alarms.tested", "alarms", str(number), after=told
            )

        await self.app.db.run("test alarms", put)
        return number

    async def tested(self, number: UUID) -> list[alarm_store.Told]:
        """Sends what is due now; returns what became of a test."""
        business = self.business
        if business is None:
            return []
        await deliver(self.app.db, business.id, self._post, asyncio.Event())
        keys = [test_prefix(number)]
        return await self.app.db.run("look at a test", lambda conn: alarm_store.told(conn, business.id, keys, CHANNELS))

    def current(self) -> AlertsEntry:
        """Who is told, as the projects file says now; what was right before holds while there is a mistake in it."""
        path = self.app.settings.config
        try:
            stat = path.stat()
        except FileNotFoundError:
            self.entry, self.read = AlertsEntry(), None
            return self.entry
        stamp = (stat.st_mtime_ns, stat.st_size)
        if stamp != self.read:
            with suppress(TallybookError):  # the bridge's watch tells it
                file = read_projects_file(path)
                if file.monitor.business != self._business_name:
                    self._business_name, self.business = file.monitor.business, None
                self.entry, self.report = file.alerts, file.monitor.report
            self.read = stamp
        return self.entry

    def targets(self) -> list[Target]:
        """Everybody who is told, each once."""
        mails = [Target(MAIL, to) for entry in self.entry.mail for to in entry.to]
        return list(dict.fromkeys([*mails, *(Target(WEBHOOK, hook.name) for hook in self.entry.webhook)]))

    def desk(self, business: Business) -> Desk:
        return Desk(business, words(business.locale), self.targets(), f"{self.app.settings.public_url}/alarms")

    async def _find_business(self) -> None:
        if self.business is None and not self.app.db.is_away:
            with suppress(TallybookError, psycopg.Error, PoolTimeout):
                self.business = await self.app.db.run("find a business", self.owner)

    async def _look_at_outage(self, now: datetime, *, away: bool) -> None:
        path = self.app.settings.data_dir / "database-away.json"
        await rota_snapshot.refresh(self.app.settings)
        await outage_alarm.look(path, now, self.entry.terms, away=away, telling=self._telling())

    def _telling(self) -> Telling:
        told = [*self.targets(), *rota_outage.targets(self.app.settings)]
        return Telling(self.business, told, self._letter, self._send, self._keep)

    def _letter(self, kept: Kept, target: Target) -> Outgoing:
        """A letter about the database, in the words of the business that was last known."""
        if target.channel == SLACK:
            return rota_outage.letter(self.app.settings, kept, target, datetime.now(UTC))
        business = kept.business or Business(0, "Tallybook", "UTC", "en")
        desk = dataclasses.replace(self.desk(business), targets=[target])
        what = Told(kept.event or "begun", outage_alarm.NAME, outage_alarm.SAYS, kept.begun_at, kept.ended_at)
        return desk.written(what, f"alarm:database:{outage_alarm.number_of(kept)}:{what.event}:")[0]

    async def _send(self, outgoing: Outgoing) -> str:
        return await {**self.app.senders, **self.senders}[outgoing.channel].send(outgoing)

    async def _keep(self, kept: Kept) -> None:
        business = self.business
        if business is None or kept.begun_at is None:
            return
        over = Episode(
            outage_alarm.NAME, 0, outage_alarm.SAYS, kept.begun_at, kept.told_at or kept.begun_at, kept.ended_at
        )
        await self.app.db.run("keep an outage", lambda conn: alarm_store.outage(conn, business.id, over))

    @cached_property
    def _post(self) -> Post:
        return Post(self.senders, at_once=2)

    def _relay(self, to: str) -> tuple[Relay, str]:
        self.current()
        sender = next((entry.sender for entry in self.entry.mail if to in entry.to), None)
        if sender is None and to in self.report.to:
            sender = self.report.sender
        if sender is None:
            raise Refused("nobody of this address is told of anything any more")
        if self.app.settings.smtp_url is None:
            raise SendError("no mail server is set: TALLYBOOK_SMTP_URL")
        return relay_of(self.app.settings.smtp_url), sender

    def _hook(self, name: str) -> Hook:
        self.current()
        entry = next((one for one in self.entry.webhook if one.name == name), None)
        if entry is None:
            raise Refused("there is no webhook of this name any more")
        if self.app.settings.alert_webhook_secret is None:
            raise SendError("no secret is set to sign with: TALLYBOOK_ALERT_WEBHOOK_SECRET")
        return Hook(entry.name, entry.url, self.app.settings.alert_webhook_secret, entry.allow_internal)


@asynccontextmanager
async def watching(app: App, stop: asyncio.Event) -> AsyncIterator[None]:
    """Watches and tells while the block lasts; when ``stop`` is set, what is being sent comes to its end."""
    task = asyncio.create_task(Alerting(app).run(stop))
    try:
        yield
    finally:
        await asyncio.wait({task}, timeout=GRACE_SECONDS if stop.is_set() else 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
