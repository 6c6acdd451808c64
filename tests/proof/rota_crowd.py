"""A team that goes on asking for cover, in Slack and by the API, whatever the database does; and what it was told."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

import httpx

from tallybook.demo.slack.elements import NotThere
from tallybook.demo.slack.telling import body_of, door_at, signed_headers
from tallybook.demo.slack.workspace import Person
from tallybook.triage.blocks.names import View
from tests.slack_desk.office import SECRET, Office

Told: TypeAlias = Literal["done", "refused", "kept"]
SLICE = timedelta(minutes=5)
AGAIN = 0.2  # seconds until a program sends again what was answered with 503
EACH_TIME_AGAIN = 4  # every fourth order asks for the time of the one before
KEPT = "sent in is kept"


@dataclass(frozen=True)
class Order:
    """A part of somebody's turn that is to be another's; ``name`` stands in its reason."""

    name: str
    by: str
    since: datetime
    told: Told
    told_at: float
    seconds: float


@dataclass
class Crowd:
    """Three who order, one after another each: Ben and Chen in Slack, a program for Maria's turn."""

    office: Office
    client: httpx.AsyncClient
    turns: dict[str, datetime]
    pace: float
    orders: list[Order] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    sent: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    not_taken: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def overrides(self) -> str:
        return f"/api/triage/{self.office.team}/overrides"

    def told(self, *how: Told) -> list[Order]:
        return [one for one in self.orders if one.told in how]

    async def in_slack(self, person: Person) -> None:
        """Somebody's orders, by the forms that are shown to them."""
        for name, since in self._wanted(person.name, self.turns[person.id]):
            await self._form(person)
            values = {
                "substitute": self.office.maria.id, "reason": name,
                "since": int(since.timestamp()), "until": int((since + SLICE).timestamp()),
            }  # fmt: skip
            begun = time.monotonic()
            await self.office.slack.acts.submit(person, values)
            now = time.monotonic()
            assert person.faults == []
            self.orders.append(Order(name, person.id, since, _told(person), now, now - begun))
            if await self._is_over():
                return

    async def by_the_api(self) -> None:
        """A program's orders, each sent until it is taken, and then once more."""
        office = self.office
        for name, since in self._wanted("API", self.turns[office.maria.id]):
            part = {"discipline": "uiEng", "person": office.ben.id, "starts_at": since.isoformat()}
            part["ends_at"] = (since + SLICE).isoformat()
            told = {"part": part, "reason": name, "key": name}
            begun = time.monotonic()
            answer = await self._until_taken(told)
            now = time.monotonic()
            assert answer.status_code in {201, 409}, answer.text
            if answer.status_code == httpx.codes.CREATED:
                (made,) = answer.json()["data"]
                self.asked[name] = made["id"]
                again = await self._until_taken(told)
                assert [one["id"] for one in again.json()["data"]] == [made["id"]]
            how: Told = "done" if answer.status_code == httpx.codes.CREATED else "refused"
            self.orders.append(Order(name, "API", since, how, now, now - begun))
            if await self._is_over():
                return

    async def say_again(self) -> None:
        """Everything that was sent in from Slack, as if Slack had not heard that it was taken."""
        slack = self.office.slack
        door = door_at(slack._session, slack.app)
        for _, body in self.sent.values():
            headers = signed_headers(SECRET.decode(), body, slack.workspace.now())
            status, _, _ = await door(body, headers | {"content-type": "application/x-www-form-urlencoded"})
            assert status == httpx.codes.OK

    def hear(self) -> None:
        """Keeps every order that is sent in as it goes over the wire, and Slack's name of the click."""
        teller = self.office.slack.teller
        tell = teller.asked

        async def asked(kind: str, payload: dict[str, Any]) -> Any:
            if payload.get("type") == "view_submission" and payload["view"]["callback_id"] == View.COVER:
                reason = payload["view"]["state"]["values"]["reason"]["reason"]["value"]
                self.sent[reason] = (payload["trigger_id"], body_of(kind, payload)[0])
            return await tell(kind, payload)

        teller.asked = asked

    def _wanted(self, who: str, begins: datetime) -> Iterator[tuple[str, datetime]]:
        """Part after part of a turn, and of some of them once more."""
        place = 0
        for number in itertools.count(1):
            place += number % EACH_TIME_AGAIN != 0
            yield f"{who} {number:05}", begins + place * SLICE

    async def _form(self, person: Person) -> None:
        """Opens the form until it is there: to look costs nothing."""
        acts = self.office.slack.acts
        deadline = time.monotonic() + 60
        while True:
            person.views.clear()
            person.faults.clear()
            with contextlib.suppress(NotThere, IndexError):
                await acts.command(person, "/triage-override")
                await acts.submit(person)
                if person.view["callback_id"] == View.COVER:
                    return
            assert time.monotonic() < deadline, (person.faults, person.shown[-1:])
            await asyncio.sleep(AGAIN)  # as somebody who tries again after a while

    async def _until_taken(self, told: dict[str, Any]) -> httpx.Response:
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await self.client.post(self.overrides, json=told)
                if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    return answer
            self.not_taken += 1
            await asyncio.sleep(AGAIN)  # as a program that tries again after a while

    async def _is_over(self) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), self.pace)
        return self.over.is_set()


@contextlib.asynccontextmanager
async def ordering(crowd: Crowd) -> AsyncIterator[None]:
    """They order until the block ends, and come to the end of what they began."""
    office = crowd.office
    crowd.hear()
    ways = (crowd.in_slack(office.ben), crowd.in_slack(office.chen), crowd.by_the_api())
    async with asyncio.TaskGroup() as tasks:  # what fails in one of them, or in the block, ends them all
        for one in ways:
            tasks.create_task(one)
        yield
        crowd.over.set()


def next_turns(shifts: list[dict[str, Any]]) -> dict[str, datetime]:
    """When the next whole turn of each begins."""
    ahead = [one for one in shifts if datetime.fromisoformat(one["starts_at"]) > datetime.now(UTC)]
    return {one["person"]: datetime.fromisoformat(one["starts_at"]) for one in reversed(ahead)}


def _told(person: Person) -> Told:
    if person.view["callback_id"] == View.REQUESTS:
        return "done"
    return "kept" if KEPT in json.dumps(person.view) else "refused"
