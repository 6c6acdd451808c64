"""Somebody before the running product's pages: root, who is an admin and logs in."""

from __future__ import annotations

import httpx
import psycopg

from tallybook.core.businesses import Business
from tests import world
from tests.proof.product import Product, wait_until

FOUND = "select id, time_zone, locale from businesses"


async def add_admin(owner_url: str) -> None:
    """Root, who may log in."""
    async with await psycopg.AsyncConnection.connect(owner_url) as conn:
        await conn.execute("set search_path to public, extensions")
        (number, zone, locale) = await (await conn.execute(FOUND)).fetchone() or (0, "", "")
        await world.root(conn, Business(number, "Velo Fibre", zone, locale))


def logged_in(product: Product) -> httpx.Client:
    """Root's browser."""
    client = httpx.Client(base_url=product.address, timeout=30, headers={"accept": "text/html"})
    wait_until(lambda: answers(client, "/readyz") == 200, "the web server")
    client.get("/login")
    token = next(value for name, value in client.cookies.items() if name.endswith("csrf"))
    answer = client.post("/login", data={"_csrf_token": token, "login": "root", "password": world.PASSWORD})
    assert answer.status_code == 303, answer.text
    return client


def answers(client: httpx.Client, path: str) -> int:
    try:
        return client.get(path).status_code
    except httpx.TransportError:
        return 0
