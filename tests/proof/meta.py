"""Meta and the people at the desk, as they meet a running product: real requests, repeated until each is answered."""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import hmac
import itertools
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from tests.channels.whatsapp.bodies import NUMBER, SECRET, body, change, status
from tests.cloud_api.media import FakeFiles
from tests.cloud_api.server import FakeCloudApi, Taken
from tests.proof.customers import Answer, Scene

Json = dict[str, Any]
AGAIN = 0.1  # seconds until what was not answered 200 is posted again
TOGETHER = 40  # changes of a webhook that is told again
PATIENCE = 30.0


def signed(content: bytes) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(SECRET, content, hashlib.sha256).hexdigest()}


def last_report(wamid: str) -> str:
    """How far a message of ours comes in the end: some are never opened."""
    return "read" if int(wamid[-6:]) % 4 else "delivered"


class Meta:
    """Tells the product what happens, by several connections at once, in any order, until each webhook is answered 200.

    ``answered`` are the seconds that each took, ``refused`` how many were not answered 200.
    """

    def __init__(self, address: str, seed: int, connections: int = 4) -> None:
        self.address, self.dice = address, random.Random(seed)
        self.due: list[tuple[float, int, list[Json]]] = []
        self.told: list[Json] = []
        self.answered: list[float] = []
        self.refused = 0
        self.under_way = 0
        self.closed = False
        self.changed = threading.Condition()
        self._numbers = itertools.count()
        self._threads = [threading.Thread(target=self._post_all, daemon=True) for _ in range(connections)]

    def __enter__(self) -> Self:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        for one in self._threads:
            one.join(PATIENCE)

    @property
    def idle(self) -> bool:
        with self.changed:
            return not self.due and not self.under_way

    def tell(self, news: Sequence[tuple[float, Json]]) -> None:
        """Each is told after so many seconds."""
        with self.changed:
            for after, one in news:
                self.told.append(one)
                self._put(after, [one])

    def tell_again(self, since: int = 0) -> int:
        """Everything once more, in another order and other batches; how many updates that is."""
        with self.changed:
            some = self.told[since:]
            self.dice.shuffle(some)
            while some:
                count = self.dice.randrange(1, TOGETHER)
                self._put(0, some[:count])
                some = some[count:]
            return len(self.told) - since

    def report(self, taken: Taken) -> None:
        """How far a message of ours came, in any order, now and then twice."""
        steps = ["sent", "delivered", "read"][: ["sent", "delivered", "read"].index(last_report(taken.id)) + 1]
        told = [
            status(became, at=int(taken.at) + place)
            | {"id": taken.id, "recipient_id": taken.to, "biz_opaque_callback_data": taken.key}
            for place, became in enumerate(steps)
        ]
        told += self.dice.choices(told, k=self.dice.randrange(2))
        self.dice.shuffle(told)
        self.tell([(self.dice.uniform(0, 0.3), change("statuses", one)) for one in told])

    def _put(self, after: float, some: list[Json]) -> None:
        heapq.heappush(self.due, (time.monotonic() + after, next(self._numbers), some))
        self.changed.notify()

    def _post_all(self) -> None:
        with httpx.Client(base_url=self.address, timeout=10) as client:
            while (some := self._next()) is not None:
                content = body(*some)
                while not self.closed and not self._is_taken(client, content):
                    time.sleep(AGAIN)  # as Meta, who tries again after a while
                with self.changed:
                    self.under_way -= 1

    def _next(self) -> list[Json] | None:
        """What is due, sometimes with what is due besides; None at the end."""
        with self.changed:
            while not self.closed:
                now = time.monotonic()
                if self.due and self.due[0][0] <= now:
                    some = heapq.heappop(self.due)[2]
                    while self.due and self.due[0][0] <= now and self.dice.random() < 0.3:
                        some = some + heapq.heappop(self.due)[2]
                    self.under_way += 1
                    return some
                self.changed.wait(self.due[0][0] - now if self.due else None)
        return None

    def _is_taken(self, client: httpx.Client, content: bytes) -> bool:
        begun = time.monotonic()
        with contextlib.suppress(httpx.TransportError):
            if client.post("/webhooks/whatsapp", content=content, headers=signed(content)).status_code == 200:
                self.answered.append(time.monotonic() - begun)
                return True
        self.refused += 1
        return False


@dataclass
class HeldFiles(FakeFiles):
    """Files whose next download stands still, while ``hold`` is set, until it is let go, and is then broken off."""

    hold: bool = False
    held: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def answer_get(self, handler: Any, address: str, tokens: dict[str, str]) -> None:
        if self.hold and handler.path.startswith("/bytes/"):
            self.held.set()
            self.let_go.wait(PATIENCE)
            handler.close_connection = True
            return
        super().answer_get(handler, address, tokens)


@dataclass
class Api(FakeCloudApi):
    """The Cloud API, which tells how far a message came as soon as it is taken, often before it has answered."""

    meta: Meta | None = None

    def take(self, path: str, token: str, content: bytes) -> dict[str, Any]:
        answer = super().take(path, token, content)
        if self.meta is not None and "messages" in answer:
            taken = self.taken[int(answer["messages"][0]["id"][-6:]) - 1]
            self.meta.report(taken)
            if int(taken.id[-6:]) % 3 == 0:
                time.sleep(0.3)  # an answer that comes after its status
        return answer


class Desk:
    """Somebody of ours, who answers by the API until it says that it took the answer; now and then they press twice."""

    def __init__(self, address: str, token: str, seed: int) -> None:
        self.client = httpx.Client(base_url=address, timeout=10, headers={"authorization": f"Bearer {token}"})
        self.dice = random.Random(seed)
        self.given: list[Answer] = []
        self.waiting: list[Answer] = []
        self.refused = 0
        self.troubles: list[str] = []  # what nobody at a desk should be told
        self.closed = threading.Event()
        self._thread = threading.Thread(target=self._answer_all, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()
        self._thread.join(PATIENCE)
        self.client.close()

    def _answer_all(self) -> None:
        while not self.closed.wait(AGAIN):
            for one in list(self.waiting):
                if self._is_taken(one) and (self.dice.random() > 0.3 or self._is_taken(one)):
                    self.given.append(one)
                    self.waiting.remove(one)

    def _is_taken(self, one: Answer) -> bool:
        path = f"/api/crm/threads/{one.phone}/message?wait=0"
        with contextlib.suppress(httpx.TransportError):
            said = self.client.post(path, json={"text": one.text}, headers={"idempotency-key": one.key})
            if said.status_code == 200:
                return True
            if said.status_code != 404 and said.status_code < 500:  # 404: the thread is not there yet
                self.troubles.append(said.text)
        self.refused += 1
        return False


def play(scene: Scene, meta: Meta, desk: Desk, api: FakeCloudApi) -> None:
    """Has a scene happen, from now on."""
    for one in scene.said:
        if not one.by_us:
            api.hear(NUMBER, one.phone)
    meta.tell(scene.news)
    desk.waiting += scene.answers
