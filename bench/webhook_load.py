"""Webhooks as WhatsApp would send them, as fast as they are answered or at a steady pace, over connections that stay.

One thread on plain sockets, so that the load takes as little as it can of the cores that it shares with the product.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

SECRET = "a secret of the benchmark"  # noqa: S105 - signs made-up webhooks on this machine
NUMBER, WABA = "100000000000001", "200000000000002"
CUSTOMERS = 20_000
CONNECTIONS = 256
YES, END = b"HTTP/1.1 200", b'{"success":true}'


class Took(NamedTuple):
    """Seconds of the whole, and the seconds of each answer, ascending."""

    whole: float
    each: list[float]

    def part(self, share: float) -> float:
        """The time in seconds within which that share was answered."""
        return self.each[min(len(self.each) - 1, int(len(self.each) * share))]


def body(first: int, count: int) -> bytes:
    """A body of so many messages, each of another customer; the first has the number ``first``."""
    numbers = range(first, first + count)
    phones = [f"999{number % CUSTOMERS:08}" for number in numbers]
    contacts = [
        {"wa_id": phone, "user_id": f"ZA.{phone}", "profile": {"name": f"Customer {phone[-4:]}"}} for phone in phones
    ]
    messages = [
        {
            "from": phone, "from_user_id": f"ZA.{phone}", "id": f"wamid.bench{number:012}", "type": "text",
            "timestamp": str(1_760_000_000 + number // 1_000),
            "text": {"body": f"Good morning, is order {number} on its way already? I wait for it since Monday."},
        }
        for number, phone in zip(numbers, phones, strict=True)
    ]  # fmt: skip
    value = {
        "messaging_product": "whatsapp", "metadata": {"display_phone_number": "15550100", "phone_number_id": NUMBER},
        "contacts": contacts, "messages": messages,
    }  # fmt: skip
    entry = {"id": WABA, "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}, separators=(",", ":")).encode()


def request(content: bytes) -> bytes:
    """The whole request of a body, signed."""
    signature = hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()
    head = (
        f"POST /webhooks/whatsapp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def requests(count: int, first: int = 0, each: int = 1) -> list[bytes]:
    """So many requests of ``each`` messages, all of them new."""
    return [request(body(first + place * each, each)) for place in range(count)]


def send(port: int, what: Sequence[bytes], a_second: float | None = None, connections: int = CONNECTIONS) -> Took:
    """Sends each request once. With ``a_second`` at that pace, and an answer's time runs from when it was due.

    Raises AssertionError for an answer that is not a yes.
    """
    poll = select.epoll()
    free = deque(_connected(port, connections))
    by_number = {one.fileno(): one for one in free}
    for one in free:
        poll.register(one, select.EPOLLIN)
    began_of: dict[int, float] = {}
    each: list[float] = []
    place, began = 0, time.perf_counter()
    while len(each) < len(what):
        now = time.perf_counter()
        while free and place < len(what) and (a_second is None or began + place / a_second <= now):
            one = free.popleft()
            began_of[one.fileno()] = now if a_second is None else began + place / a_second
            one.sendall(what[place])
            place += 1
        wait = -1.0 if a_second is None or not free or place >= len(what) else 0.001
        for number, _ in poll.poll(wait):
            answer = by_number[number].recv(4096)
            if not answer.startswith(YES):
                raise AssertionError(f"a webhook was answered with {answer[:60]!r}")
            while not answer.endswith(END):
                answer += by_number[number].recv(4096)
            each.append(time.perf_counter() - began_of[number])
            free.append(by_number[number])
    whole = time.perf_counter() - began
    for one in by_number.values():
        one.close()
    return Took(whole, sorted(each))


def _connected(port: int, count: int) -> list[socket.socket]:
    found = []
    for _ in range(count):
        one = socket.create_connection(("127.0.0.1", port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found.append(one)
    return found
