"""A Microsoft tenant with one SharePoint site: enforces what the real one enforces, and lets people edit."""

from __future__ import annotations

import itertools
import random
import re
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.graph.files import Library
from tests.graph.lists import SharePointList
from tests.graph.words import Asked, Told, error

TENANT = "contoso.example"
HOST, PATH = "contoso.example", "/sites/Fibre"
SITE = f"https://{HOST}{PATH}"
SITE_ID = f"{HOST},8d3c,77aa"
WINDOW = 60.0
MOST_IN_BATCH = 20


@dataclass
class Units:
    """Resource units of the last minute. Who asks while told to wait is made to wait longer."""

    limit: int = 1_200
    used: deque[tuple[float, int]] = field(default_factory=deque)
    closed_until: float = 0.0
    impatient: int = 0
    most: int = 0
    penalty: float = 0.2

    def refusal(self, cost: int) -> Told | None:
        now = time.monotonic()
        if now < self.closed_until - 0.005:
            self.impatient += 1
            self.closed_until += self.penalty
            return error(429, "tooManyRequests", Retry_After=f"{self.closed_until - now:.3f}")
        while self.used and self.used[0][0] <= now - WINDOW:
            self.used.popleft()
        if sum(units for _, units in self.used) + cost > self.limit:
            self.closed_until = self.used[0][0] + WINDOW
            return error(429, "activityLimitReached", Retry_After=f"{self.closed_until - now:.3f}")
        self.used.append((now, cost))
        self.most = max(self.most, sum(units for _, units in self.used))
        return None

    def close(self, seconds: float) -> None:
        self.closed_until = time.monotonic() + seconds


@dataclass
class Tenant:
    """What the fake server knows. ``inner_refusals``: how many requests inside batches are still to be refused."""

    address: str = ""
    tokens: set[str] = field(default_factory=set)
    lists: dict[str, SharePointList] = field(default_factory=dict)
    library: Library = field(default_factory=Library)
    units: Units = field(default_factory=Units)
    inner_refusals: int = 0
    inner_pause: float = 0.05
    lock: threading.RLock = field(default_factory=threading.RLock)
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        if not self.lists:
            self.lists["Tallybook"] = SharePointList.prepared("Tallybook")

    @property
    def items(self) -> dict[str, dict[str, Any]]:
        """The list as a person sees it: the fields of each item by its key."""
        return {one.fields["TallybookKey"]: one.fields for one in self.lists["Tallybook"].items.values()}

    def ask(self, asked: Asked) -> Told:
        """One HTTP request to the API or to an upload's address."""
        with self.lock:
            if asked.path.startswith("/upload/"):
                if "authorization" in asked.headers:
                    return error(401, "unauthenticated")
                return self.units.refusal(2) or self.library.slice(asked)
            if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
                return error(401, "InvalidAuthenticationToken")
            if asked.is_batch:
                return self._batch(asked)
            return self._one(asked)

    def _batch(self, asked: Asked) -> Told:
        """Carried out in any order, answered in another, each request refused or done by itself."""
        requests = asked.json["requests"]
        ids = [one["id"] for one in requests]
        if not 0 < len(ids) <= MOST_IN_BATCH or len(set(ids)) < len(ids):
            return error(400, "invalidRequest")
        if refused := self.units.refusal(0):
            return refused
        self.dice.shuffle(requests)
        answers = []
        for one in requests:
            told = self._inside(one)
            answers.append({"id": one["id"], "status": told.status, "headers": told.headers, "body": told.body})
        self.dice.shuffle(answers)
        return Told(200, {"responses": answers})

    def _inside(self, one: dict[str, Any]) -> Told:
        if self.inner_refusals:
            self.inner_refusals -= 1
            self.units.close(self.inner_pause)
            return error(429, "tooManyRequests", Retry_After=str(self.inner_pause))
        headers = {name.lower(): value for name, value in one.get("headers", {}).items()}
        if "body" in one and headers.get("content-type") != "application/json":
            return error(400, "invalidRequest")
        inner = Asked(one["method"], "/v1.0" + one["url"], headers)
        return self._done(inner, one.get("body"))

    def _one(self, asked: Asked) -> Told:
        cost = 2 if asked.method != "GET" or "$filter" in asked.query else 1
        return self.units.refusal(cost) or self._done(asked, asked.json)

    def _done(self, asked: Asked, body: Any) -> Told:
        path = asked.path.removeprefix("/v1.0")
        if path == f"/sites/{HOST}:{PATH}":
            return Told(200, {"id": SITE_ID, "webUrl": SITE})
        begin = f"/sites/{SITE_ID}"
        if not path.startswith(begin):
            return error(404, "itemNotFound")
        rest = path.removeprefix(begin)
        if rest.startswith("/drive/root:/"):
            return self.library.ask(asked, rest.removeprefix("/drive/root:/"), body, self.address)
        if rest == "/lists" and asked.method == "POST":
            return self._new_list(body)
        found = re.fullmatch(r"/lists/([^/]+)(/.*)?", rest)
        one = found and self._list(found[1])
        if not found or one is None:
            return error(404, "itemNotFound")
        return one.ask(asked, found[2] or "", body)

    def _list(self, name: str) -> SharePointList | None:
        return next((one for one in self.lists.values() if name in {one.name, one.id}), None)

    def _new_list(self, body: Any) -> Told:
        if self._list(body["displayName"]):
            return error(409, "nameAlreadyExists")
        made = SharePointList(body["displayName"], {column["name"]: column for column in body["columns"]})
        self.lists[made.name] = made
        return Told(201, made.as_json())

    def token(self) -> str:
        token = f"token-{next(self.numbers)}"
        self.tokens.add(token)
        return token
