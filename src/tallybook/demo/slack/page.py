"""The made-up Slack in a browser, so that somebody without one can try the bot: be one of its people, and click."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

from aiohttp import web

from . import drawing
from .elements import NotFilled, NotThere, elements
from .limits import NotTaken
from .server import FakeSlack
from .workspace import Channel, Person

COMMANDS = (
    "/triage-schedule", "/triage-override", "/override-list", "/admin-sprints", "/admin-disciplines", "/admin-users",
)  # fmt: skip
MOST_SHOWN = 30
STATUSES = {"Here": "", "On vacation, for a week": ":palm_tree:", "Out sick, for a week": ":face_with_thermometer:"}
AWAY_SECONDS = 604_800
Form = Any  # what the browser sent, as aiohttp reads it


class SlackPage:
    """The pages of one made-up Slack. They listen on this machine alone, and hold nothing that is anybody's."""

    def __init__(self, slack: FakeSlack) -> None:
        self.slack = slack

    def add_to(self, server: web.Application) -> None:
        server.router.add_get("/", self._people)
        server.router.add_get("/as/{person}", self._shown)
        server.router.add_post("/as/{person}/press/{place}/{what}", self._press)
        server.router.add_post("/as/{person}/{act}", self._act)

    async def _people(self, request: web.Request) -> web.Response:  # noqa: ARG002 - as every handler
        people = [one for one in self.slack.workspace.people.values() if not one.is_bot]
        listed = "".join(f'<li><a href="/as/{one.id}">{escape(one.name)}</a></li>' for one in people)
        return _html("The demo's Slack", f"<h1>The demo's Slack</h1><p>Whose eyes do you want?</p><ul>{listed}</ul>")

    def _person(self, request: web.Request) -> Person:
        found = self.slack.workspace.people.get(request.match_info["person"])
        if found is None or found.is_bot:
            raise web.HTTPNotFound
        return found

    async def _shown(self, request: web.Request) -> web.Response:
        person = self._person(request)
        slack = self.slack.workspace
        faults = "".join(f'<p class="wrong" role="alert">{escape(one)}</p>' for one in person.faults[-1:])
        person.faults.clear()
        modal = f"<dialog open>{drawing.view(slack, person, person.view)}</dialog>" if person.views else ""
        commands = "".join(f"<option>{one}</option>" for one in COMMANDS)
        do = f"/as/{person.id}"
        forms = (
            f'<form method="post" action="{do}/command"><label>Command <select name="command">{commands}</select>'
            f'</label><button>Send</button></form><form method="post" action="{do}/shortcut"><button>Request coverage'
            f'</button></form><form method="post" action="{do}/home"><button>Open the app\'s home</button></form>'
            f'<form method="post" action="{do}/status"><label>Status <select name="status">{_statuses(person)}</select>'
            f"</label><button>Set</button></form>"
        )
        home = f"<section>{drawing.view(slack, person, person.home)}</section>" if person.home else ""
        own = [slack.conversation(person.id), *(one for one in slack.channels.values() if not one.person)]
        rooms = "".join(self._room(person, one) for one in own)
        head = f'<nav><a href="/">Everybody</a><b>{escape(person.name)}</b></nav>'
        return _html(person.name, f"{head}{faults}{modal}{forms}<main>{home}{rooms}</main>")

    def _room(self, person: Person, channel: Channel) -> str:
        seen = [one for one in person.shown if one.get("channel") == channel.id]
        listed = sorted([*channel.messages, *seen], key=lambda one: str(one["ts"]))[-MOST_SHOWN:]
        said = "".join(drawing.message(self.slack.workspace, person, one, channel.id) for one in listed)
        name = f"#{channel.name}" if channel.name else "Tallybook"
        topic = f"<p><small>{drawing.said(self.slack.workspace, channel.topic)}</small></p>" if channel.topic else ""
        say = (
            f'<form method="post" action="/as/{person.id}/say">'
            f'<input type="hidden" name="channel" value="{channel.id}">'
            f'<label>Ask Tallybook <input name="text" value="Who is on?"></label><button>Send</button></form>'
        )
        return f"<section><h2>{escape(name)}</h2>{topic}{said}{say}</section>"

    async def _act(self, request: web.Request) -> web.Response:
        person, form = self._person(request), await request.post()
        acts, act = self.slack.acts, request.match_info["act"]
        try:
            if act == "command":
                await acts.command(person, str(form.get("command", "")))
            elif act == "shortcut":
                await acts.shortcut(person, "request_coverage_shortcut")
            elif act == "status":
                emoji = STATUSES.get(str(form.get("status", "")), "")
                until = self.slack.workspace.now() + AWAY_SECONDS if emoji else 0
                await acts.set_status(person, emoji, int(until))
            elif act == "home":
                await acts.open_home(person)
            elif act == "say":
                await self._say(person, form)
            elif act == "submit" and person.views:
                await acts.submit(person, values_of(person.view, form))
            elif act == "close" and person.views:
                await acts.close(person)
        except (NotFilled, NotThere, NotTaken) as error:
            person.faults.append(str(error))
        return _back(person)

    async def _say(self, person: Person, form: Form) -> None:
        channel = self.slack.workspace.channels.get(str(form.get("channel", "")))
        if channel is not None and not channel.person:
            await self.slack.acts.mention(person, channel, str(form.get("text", "")))
        else:
            await self.slack.acts.write(person, str(form.get("text", "")))

    async def _press(self, request: web.Request) -> web.Response:
        person, form = self._person(request), await request.post()
        shown = self._what(person, request.match_info["place"], request.match_info["what"])
        try:
            action, value = json.loads(str(form.get("press", "")))
            values = values_of(shown, form)
            await self.slack.acts.press(person, shown, action, values.get(action) if value is None else value, values)
        except (NotThere, NotTaken, ValueError) as error:
            person.faults.append(str(error))
        return _back(person)

    def _what(self, person: Person, place: str, what: str) -> dict[str, Any]:
        """What is meant: the view on top, the home, or a message. Raises HTTPNotFound."""
        channel = self.slack.workspace.channels.get(place)
        here = person.views[-1:] if place == "view" else [person.home] if place == "home" and person.home else []
        messages = [*channel.messages, *person.shown] if channel is not None else []
        for one in [*here, *messages]:
            if what in {one.get("id"), one.get("ts")}:
                return one
        raise web.HTTPNotFound


def _statuses(person: Person) -> str:
    return "".join(
        f"<option{' selected' if emoji == person.status else ''}>{name}</option>" for name, emoji in STATUSES.items()
    )


def values_of(shown: Mapping[str, Any], form: Form) -> dict[str, Any]:
    """What was filled in, by the elements' actions, as Slack would tell it. Pure."""
    found: dict[str, Any] = {}
    for _, element in elements(shown["blocks"]):
        name, kind = element.get("action_id", ""), element["type"]
        if kind == "checkboxes" or kind.startswith("multi_"):
            found[name] = [str(one) for one in form.getall(name, []) if one]
        elif kind == "datetimepicker" and form.get(name):
            found[name] = int(datetime.fromisoformat(str(form[name])).replace(tzinfo=UTC).timestamp())
        elif kind not in {"button", "overflow", "image"} and form.get(name):
            found[name] = str(form[name])
    return found


def _html(title: str, body: str) -> web.Response:
    headers = {"cache-control": "no-store", "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
               "img-src http: https: data:; form-action 'self'; frame-ancestors 'none'"}  # fmt: skip
    return web.Response(text=drawing.page(title, body), content_type="text/html", headers=headers)


def _back(person: Person) -> web.Response:
    raise web.HTTPSeeOther(f"/as/{person.id}")
