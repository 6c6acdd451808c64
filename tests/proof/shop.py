"""A business that answers customers on WhatsApp, as real processes, with Meta, customers and people around it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import psycopg

from tallybook.core import api_tokens, businesses, people
from tallybook.core.callers import EVERY_SCOPE
from tests.channels.whatsapp.bodies import NUMBER, SECRET
from tests.proof.customers import ANSWERS, BUSINESS_FILE, KEYWORD, RULE_SAYS, Scene, Teller
from tests.proof.inbox_oracle import Books, Happened, differences, read_books
from tests.proof.meta import Api, Desk, HeldFiles, Meta, last_report, play
from tests.proof.product import PATIENCE, Product, Running, kill, wait_until
from tests.proof.story import projects_file
from tests.proof.visitor import answers

PARTS = ("serve", "work")
LONG = 900.0  # seconds; a busy machine takes its time, and nothing here promises how long
RULES = "/api/inbox/automation/rules"
RULE = {"name": "Invoices", "trigger": {"on": "keyword", "words": [KEYWORD]}, "actions": {"text": RULE_SAYS}}
# What is still to be done; what is unknown and was taken is about to be settled by its report.
BUSY = """
select (select count(*) from deliveries where state = 'waiting'),
    (select count(*) from whatsapp_message where counted and not decided), (select count(*) from automation_causes),
    (select count(*) from outbox where state in ('waiting', 'sending')),
    (select count(*) from jobs where kind = 'inbox.file' and state = 'waiting'),
    (select count(*) from waiting_reports),
    (select count(*) from outbox where state = 'unknown' and dedup_key = any(%s))
"""
UNKNOWN = "select count(*) from outbox where state = 'unknown'"
# As if the minute had gone by for which the claims of the dead are their own.
LATER = [
    f"update {table} set lease_until = clock_timestamp() where lease_until > clock_timestamp()"
    for table in ("deliveries", "jobs", "outbox")
]
ANSWER = "insert into inbox_answers (language, question, answer) values (%s, %s, %s)"
THERE = "select count(*) from whatsapp_message where provider_message_id = any(%s)"
# What people search their logs for and must not find: errors, both lines of the fallback of old, phones.
WORRIES = (
    "UniqueViolation", "conv_id=None", "update_session_activity FAILED", "cursor already closed",
    "no unique or exclusion constraint", "[WA-SESSION] ⚠️", "UPSERT failed", "Fallback update succeeded", "55501",
)  # fmt: skip


@dataclass
class Shop:
    """The running business, and all that happened to it."""

    product: Product
    owner_url: str
    api: Api
    meta: Meta
    desk: Desk
    teller: Teller
    parts: dict[str, Running] = field(default_factory=dict)
    scenes: list[Scene] = field(default_factory=list)
    line: psycopg.Connection | None = None

    def start(self, *names: str) -> None:
        for name in names:
            self.parts[name] = self.product.start(name)

    def kill(self, *names: str) -> None:
        for name in names:
            kill(self.parts[name].process.pid)
            self.parts[name].process.wait(PATIENCE)

    def stop(self) -> None:
        """A clean stop; nothing that must not be in a log is in one."""
        assert [part.stop() for part in self.parts.values()] == [0, 0]
        said = self.product.all_said()
        assert [one for one in WORRIES if one in said] == []

    def play(self, scene: Scene) -> Scene:
        self.scenes.append(scene)
        play(scene, self.meta, self.desk, self.api)
        return scene

    def customers(self, count: int) -> None:
        """So many new customers write at once, and one comes again."""
        for _ in range(count):
            self.play(self.teller.scene())
        self.play(self.teller.again(0, len(self.scenes), next(iter(ANSWERS))))

    def probe(self) -> None:
        """Waits until what a customer writes now stands in its thread."""
        scene = self.play(self.teller.again(1, len(self.scenes), f"Are you there, number {len(self.scenes)}"))
        ids = [one.id for one in scene.said]
        wait_until(lambda: self.asks(THERE, ids) == (len(ids),), "a message to be filed", LONG)

    def asks(self, statement: str, *values: object) -> tuple[int, ...] | None:
        """One row. By one connection, since the same is asked again and again; raises OperationalError."""
        if self.line is None or self.line.closed:
            self.line = psycopg.connect(self.owner_url, autocommit=True, connect_timeout=5)
        return self.line.execute(statement.encode(), values).fetchone()

    def forget_claims(self) -> None:
        def forget() -> bool:
            with psycopg.connect(self.owner_url, autocommit=True, connect_timeout=5) as connection:
                for one in LATER:
                    connection.execute(one.encode())
            return True

        wait_until(forget, "the database")

    def settle(self, seconds: float = LONG) -> None:
        """Waits until nothing is left to be done, but to wait for a report that will never come."""

        def is_settled() -> bool:
            time.sleep(0.2)  # asked more often, it would itself be work
            if not self.meta.idle or self.desk.waiting:
                return False
            return self.asks(BUSY, [one.key for one in self.api.taken]) == (0,) * 7 and self.meta.idle

        try:
            wait_until(is_settled, "all to be done", seconds)
        except AssertionError as error:
            keys = [one.key for one in self.api.taken]
            left = (self.meta.idle, self.meta.under_way, len(self.desk.waiting), self.asks(BUSY, keys))
            raise AssertionError(f"{error}: {left} {self.desk.troubles}") from None

    def unknown(self) -> int:
        """Of how many messages of ours nobody knows whether they were sent."""
        return (self.asks(UNKNOWN) or (0,))[0]

    @property
    def happened(self) -> Happened:
        return Happened(
            [said for scene in self.scenes for said in scene.said],
            list(self.desk.given),
            {name: content for scene in self.scenes for name, content in scene.files.items()},
            [(one.key, one.id, one.text, one.to) for one in self.api.taken],
            {one.id: last_report(one.id) for one in self.api.taken},
        )

    def compared(self, *, final: bool) -> Books:
        """The books, which are as the oracle says."""
        books = read_books(self.owner_url)
        wrong = differences(books, self.happened, final=final)
        assert wrong == [], "\n".join(wrong[:20])
        return books


@contextmanager
def open_shop(product: Product, owner_url: str, seed: int) -> Iterator[Shop]:
    """Opens it: a number, known answers, a rule, a person at the desk; web server and worker run."""
    with Api({NUMBER: "E" * 40}, files=HeldFiles()) as api:
        secret = _furnished(product, owner_url, api)
        dice = random.Random(seed)
        meta, desk = Meta(product.address, seed), Desk(product.address, secret, seed)
        with meta, desk:
            api.meta = meta
            shop = Shop(product, owner_url, api, meta, desk, Teller(dice, api.now, api.files))
            try:
                shop.start(*PARTS)
                _rule(product.address, secret)
                yield shop
            finally:
                if shop.line is not None:
                    shop.line.close()


def _furnished(product: Product, owner_url: str, api: Api) -> str:
    """The secret of the desk's token."""
    product.settings |= {"whatsapp_app_secret": SECRET.decode(), "whatsapp_api_url": api.address}
    (product.folder / "tallybook.toml").write_text(projects_file() + BUSINESS_FILE)
    with psycopg.connect(owner_url) as connection:
        for question, answer in ANSWERS.items():
            connection.execute(ANSWER, ("en" if question.isascii() else "he", question, answer))
    token = product.folder / "token"
    token.write_text(api.tokens[NUMBER])
    product.run("channel", "add", "whatsapp", "--phone-number-id", NUMBER, "--token-file", str(token))
    return asyncio.run(_token(owner_url))


async def _token(owner_url: str) -> str:
    async with await psycopg.AsyncConnection.connect(owner_url) as conn:
        await conn.execute("set search_path to public, extensions")
        (business,) = await businesses.every(conn)
        return await api_tokens.create(conn, people.command_line(business.id), "desk", EVERY_SCOPE)


def _rule(address: str, secret: str) -> None:
    with httpx.Client(base_url=address, timeout=30, headers={"authorization": f"Bearer {secret}"}) as client:
        wait_until(lambda: answers(client, "/readyz") == 200, "the web server", LONG)
        made = client.post(RULES, json=RULE)
        assert made.status_code == 201, made.text
        turned = client.post(f"{RULES}/{made.json()['data']['id']}/switch", json={"on": True})
        assert turned.status_code == 200, turned.text
    # Meta tells whole seconds: what is said in this one would seem to be said before the rule was there.
    begun = int(time.time())
    wait_until(lambda: time.time() >= begun + 1, "the next second")
