"""One request at a time to Microsoft Graph: as fast as the budget allows, patient where told to wait.

A request that was refused as too much was not carried out, and is asked again here. Of a write without an answer nobody
knows what became: it is answered 504 and never asked again blindly.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus as Http
from typing import Any

import httpx
import msgspec
from prometheus_client import Counter

from tallybook.core.numbers import number_in

from . import answers, calls
from .access import Tokens
from .answers import Answer
from .budget import Budget
from .calls import Call
from .types import SharePointAway

TRIES = 6
LONGEST_PAUSE = 600.0  # seconds; told to wait longer, the run ends and comes again later
NO_ANSWER = Answer(Http.GATEWAY_TIMEOUT)

requests_total = Counter("tallybook_sharepoint_requests_total", "Requests to SharePoint by status; 0: none", ["status"])
waited_total = Counter("tallybook_sharepoint_waited_seconds_total", "Seconds waited because SharePoint asked for it")


@dataclass
class Wire:
    """The connection to one API, as one application."""

    api: str
    http: httpx.AsyncClient
    tokens: Tokens
    budget: Budget = field(default_factory=Budget)

    async def in_batches(self, asked: list[Call]) -> list[Answer]:
        """The answers in the order of the requests. What was refused as too much is asked again, and nothing else."""
        got: dict[int, Answer] = {}
        for first in range(0, len(asked), calls.BATCH):
            open_ones = dict(enumerate(asked[first : first + calls.BATCH], first))
            for _ in range(TRIES):
                got |= await self._batch(open_ones)
                open_ones = {number: call for number, call in open_ones.items() if got[number].must_wait}
                if not open_ones:
                    break
        return [got[number] for number in range(len(asked))]

    async def _batch(self, asked: dict[int, Call]) -> dict[int, Answer]:
        """One batch. Where the whole of it has no answer, each of its requests has none."""
        writes = any(one.writes for one in asked.values())
        outer = calls.batch({str(number): call for number, call in asked.items()})
        answer = await self.call(outer, cost=sum(one.cost for one in asked.values()), writes=writes)
        if not answer.went_well:
            return dict.fromkeys(asked, answer)
        inner = answers.in_batch(answer.body)
        for one in inner.values():
            if one.must_wait:
                self.budget.refused(answers.seconds(one.headers, datetime.now(UTC)), time.monotonic())
        return {number: inner.get(str(number), NO_ANSWER) for number in asked}

    async def call(self, call: Call, *, cost: int | None = None, writes: bool | None = None) -> Answer:
        """One request with a token; again while told to wait, and, where it only reads, after a fault."""
        answer = NO_ANSWER
        again_after_fault = not (call.writes if writes is None else writes)
        for attempt in range(TRIES):
            headers = {"authorization": f"Bearer {await self.tokens.bearer()}", **call.headers}
            answer = await self.once(
                call.method, self.api + call.path, cost or int(call.cost), headers=headers, json=call.body
            )
            if answer.must_wait:
                continue
            if not (again_after_fault and answer.status >= Http.INTERNAL_SERVER_ERROR):
                return answer
            await asyncio.sleep(min(2.0**attempt, 30.0) / 4)
        return answer

    async def once(self, method: str, url: str, cost: int, **more: Any) -> Answer:
        """One request, when the budget allows it. No answer is an answer: 504."""
        await self._wait(cost)
        self.budget.take(cost, time.monotonic())
        try:
            response = await self.http.request(method, url, **{key: value for key, value in more.items() if value})
        except httpx.HTTPError:
            requests_total.labels("0").inc()
            return NO_ANSWER
        requests_total.labels(str(response.status_code)).inc()
        answer = Answer(response.status_code, dict(response.headers.items()), _json(response))
        now = time.monotonic()
        if answer.must_wait:
            self.budget.refused(answers.seconds(answer.headers, datetime.now(UTC)), now)
        elif answer.went_well:
            self.budget.went_well()
        left, reset = (number_in(response.headers.get(f"ratelimit-{one}", "")) for one in ("remaining", "reset"))
        if left is not None and reset is not None:
            self.budget.near_the_end(left, reset, now)
        return answer

    async def _wait(self, cost: int) -> None:
        while (pause := self.budget.wait(cost, time.monotonic())) > 0:
            if pause > LONGEST_PAUSE:
                raise SharePointAway("SharePoint asked us to wait.", pause)
            waited_total.inc(pause)
            await asyncio.sleep(pause)


def _json(response: httpx.Response) -> Any:
    try:
        return msgspec.json.decode(response.content) if response.content else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # a proxy's page, or no JSON of anybody's
        return None
