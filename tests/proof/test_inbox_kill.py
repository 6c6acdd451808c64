"""kill -9 while customers write: what was answered 200 is in its thread, once, and every count is exact."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import random
import time

import httpx
import psycopg

from tests.channels.whatsapp.bodies import NUMBER, SECRET, body, change, contact, text
from tests.proof.product import PATIENCE, Product, Running, kill, wait_until

KILLS, CUSTOMERS = 5, 12
MESSAGES = "select provider_message_id, count(*) from whatsapp_message group by 1"
WAITING = "select count(*) from deliveries where state <> 'done'"
# As if the minute had gone by for which a dead worker's claims are its own.
LATER = "update deliveries set lease_until = clock_timestamp() where lease_until > clock_timestamp()"
WRONG = """
select c.id from whatsapp_conversation c
left join (
    select conversation_id, count(*) as messages, max(seq) as top, count(*) filter (where counted) as counted
    from whatsapp_message group by 1) m on m.conversation_id = c.id
where (c.last_seq, c.inbound, c.last_seq) is distinct from (m.top, m.counted, m.messages)
"""
THREADS = "select count(*), count(distinct contact_id) from whatsapp_conversation"


def signed(content: bytes) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(SECRET, content, hashlib.sha256).hexdigest()}


class Meta:
    """Posts a customer's message until it is answered 200, as Meta does; now and then once more than it need."""

    def __init__(self, address: str, dice: random.Random) -> None:
        self.client = httpx.Client(base_url=address, timeout=5)
        self.dice = dice
        self.answered: list[str] = []

    def close(self) -> None:
        self.client.close()

    def post(self) -> None:
        number = len(self.answered) + 1
        wa_id = f"278200000{number % CUSTOMERS:02}"
        said = text(f"Message {number}", number) | {"from": wa_id}
        content = body(change("messages", said, contacts=[contact(wa_id, None)]))
        deadline = time.monotonic() + PATIENCE
        for _ in range(1 + (self.dice.random() < 0.2)):
            while not self._taken(content):
                assert time.monotonic() < deadline, "nobody answers"
                time.sleep(0.05)
        self.answered.append(str(said["id"]))

    def _taken(self, content: bytes) -> bool:
        try:
            return self.client.post("/webhooks/whatsapp", content=content, headers=signed(content)).status_code == 200
        except httpx.TransportError:
            return False


def test_killed_five_times_while_customers_write_nothing_is_lost_or_doubled(
    product: Product, fresh_owner_url: str
) -> None:
    dice = random.Random(11)
    product.settings["whatsapp_app_secret"] = SECRET.decode()
    token = product.folder / "token"
    token.write_text("E" * 40)
    product.run("channel", "add", "whatsapp", "--phone-number-id", NUMBER, "--token-file", str(token))
    parts: dict[str, Running] = {name: product.start(name) for name in ("serve", "work")}
    with contextlib.closing(Meta(product.address, dice)) as meta:
        for round_ in range(KILLS):
            for _ in range(40):
                meta.post()
            name = ("work", "serve")[round_ % 2]
            kill(parts[name].process.pid)
            parts[name].process.wait(PATIENCE)
            parts[name] = product.start(name)
        for _ in range(20):
            meta.post()
    with psycopg.connect(fresh_owner_url, autocommit=True) as owner:
        owner.execute(LATER)
        wait_until(lambda: owner.execute(WAITING).fetchall() == [(0,)], "every delivery to be filed")
        assert dict(owner.execute(MESSAGES).fetchall()) == dict.fromkeys(meta.answered, 1)
        assert owner.execute(WRONG).fetchall() == []
        assert owner.execute(THREADS).fetchall() == [(CUSTOMERS, CUSTOMERS)]
    assert [part.stop() for part in parts.values()] == [0, 0]
    said = product.all_said()
    for wrong in ("UniqueViolation", "conv_id=None", "cursor already closed", "no unique or exclusion constraint"):
        assert wrong not in said
    assert "[WA-SESSION] ⚠️" not in said
    assert "2782000000" not in said
