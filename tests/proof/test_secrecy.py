"""What people write, who they are and what lets them in: stored where it belongs, and in no log and no metric."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable

import httpx
import psycopg

from tests.channels.bridge.bridge_file import LAWLEY
from tests.postgres import OWNER, Server
from tests.proof.conftest import furnish
from tests.proof.oracle import read_books
from tests.proof.product import Product, wait_until
from tests.proof.visitor import add_admin, logged_in

TEXT = "zanzibar-quokka"
PHONE = "27820000055"
LID = "55566677788899"
TOKEN = "tb_marsupial55marsupial55marsupial55"
MARKERS = (TEXT, PHONE, PHONE[2:], LID, "marsupial55", base64.b64encode(PHONE.encode()).decode().rstrip("="))
CRUEL = "alter table qa_photo_reviews add constraint cruel check (drop_number <> 'DR1666666')"


def post_marked(product: Product) -> None:
    """Messages that are filed, that no column can hold, and that the database refuses, quoting the row."""
    with product.bridge() as bridge:
        bridge.post(LAWLEY, f"DR1752104 {TEXT}", sender=PHONE)
        bridge.post(LAWLEY, f"DR1752105 {TEXT}", sender=f"{PHONE}@s.whatsapp.net")
        bridge.post(LAWLEY, f"DR1752106 {TEXT}", sender=f"{LID}@lid")
        bridge.post(LAWLEY, f"DR1752107 \0 {TEXT}", sender=PHONE)
        bridge.post(LAWLEY, f"DR1666666 {TEXT}", sender=PHONE)
        bridge.post(f"{PHONE}@s.whatsapp.net", TEXT, sender=PHONE)


def ask_marked(client: httpx.Client, secret: str) -> str:
    """Requests with markers wherever a request can have them; gives the metrics page."""
    csrf = next(value for name, value in client.cookies.items() if name.endswith("csrf"))
    for login in (TEXT, PHONE, f"+{PHONE}"):
        client.post("/login", data={"_csrf_token": csrf, "login": login, "password": TEXT})
    for token in (TOKEN, secret):
        for path in ("/api/wa-monitor-drops", f"/api/wa-monitor-drops?q={TEXT}&project={PHONE}", f"/{TEXT}/{PHONE}"):
            httpx.get(f"{client.base_url}{path}", headers={"authorization": f"Bearer {token}"})
    httpx.get(f"{client.base_url}/wa-monitor?q={TEXT}", cookies={"tallybook_session": TOKEN})
    for path in ("/webhooks/whatsapp", "/webhooks/slack", f"/webhooks/{TEXT}"):
        httpx.post(
            f"{client.base_url}{path}", json={"text": TEXT, "from": PHONE}, headers={"x-hub-signature-256": TOKEN}
        )
    json = {"accept": "application/json", "x-csrftoken": csrf}
    review = client.get("/api/wa-monitor-drops?q=DR1752104&from=&to=", headers=json).json()["data"]["drops"][0]
    path = f"/api/wa-monitor-drops/{review['id']}"
    assert client.patch(path, headers=json, json={"comment": f"{TEXT} {PHONE}"}).status_code == 200
    assert client.patch(path, headers=json, json={"ticks": {TEXT: True}}).status_code == 400
    assert client.patch(path, headers=json, content=f'{{"comment": "{TEXT}').status_code == 400
    return client.get("/metrics").text


async def test_no_marked_text_phone_lid_or_token_is_in_any_log_or_metric(
    open_product: Callable[..., Product], fresh_url: str, postgres: Server, fresh_name: str
) -> None:
    owner_url = postgres.url(OWNER, fresh_name)
    furnish(owner_url)
    await add_admin(owner_url)
    with psycopg.connect(owner_url) as connection:
        connection.execute(CRUEL)
    product = open_product(database_url=fresh_url, log_level="debug")
    secret = product.run("token", "create", "robot").splitlines()[-2]
    assert secret.startswith("tb_")
    product.processes.clear()  # this command's output is where the secret belongs
    post_marked(product)
    parts = [product.start("serve"), product.start("work")]
    wait_until(lambda: len(read_books(owner_url).messages) == 5, "the messages")
    wait_until(lambda: read_books(owner_url).parked == 1, "the refused one to be parked")
    with contextlib.closing(logged_in(product)) as client:
        metrics = ask_marked(client, secret)
    break_the_file(product, parts[1].hears)
    product.run("parked", "replay", "--all", fails=True)
    assert [part.stop() for part in parts] == [0, 0]
    said = product.all_said() + metrics
    assert "A message could not be filed" in said
    assert "tallybook_" in metrics
    for marker in (*MARKERS, secret, secret.removeprefix("tb_")):
        assert marker not in said, [line for line in said.splitlines() if marker in line]


def break_the_file(product: Product, hears: Callable[[str], None]) -> None:
    """The bridge's file becomes one that is no database at all and holds a marker."""
    (product.bridge_folder / "messages.db").write_text(f"{TEXT} {PHONE} " * 1000)
    hears("messages.db")
