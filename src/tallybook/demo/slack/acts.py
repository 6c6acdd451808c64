"""What people do in the made-up workspace, and what they see of it."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .elements import NotThere, elements, filled, pressed, state
from .limits import NotTaken, check_blocks, check_view
from .telling import Teller, Untold
from .workspace import APP, BOT, VIEWS_AT_ONCE, Channel, Person, Workspace

Json = dict[str, Any]
FAILED = "We had some trouble connecting. Try again?"
USES, USABLE_SECONDS = 5, 1800.0


@dataclass
class Reply:
    """An address at which the app may answer for half an hour, five times."""

    person: str
    channel: str
    until: float
    message: str = ""
    left: int = USES


@dataclass
class Acts:
    """Everything is told to the app at once; each ends when the app has answered, or Slack has given up."""

    slack: Workspace
    teller: Teller
    address: str = ""
    replies: dict[str, Reply] = field(default_factory=dict)
    _events: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def mention(self, person: Person, channel: Channel, text: str) -> bool:
        """Says something to the app in a channel."""
        message = self._written(person, channel, f"<@{BOT}> {text}")
        return await self.event({**message, "type": "app_mention", "channel": channel.id})

    async def write(self, person: Person, text: str) -> bool:
        """Writes to the app alone."""
        channel = self.slack.conversation(person.id)
        message = self._written(person, channel, text)
        return await self.event({**message, "channel": channel.id, "channel_type": "im"})

    async def open_home(self, person: Person) -> bool:
        """Opens the app's home."""
        told = {"type": "app_home_opened", "user": person.id, "tab": "home", "event_ts": self.slack.moment()}
        return await self.event({**told, "channel": self.slack.conversation(person.id).id})

    async def set_status(self, person: Person, emoji: str, until: int = 0) -> bool:
        """Says by a status how they are, until a moment in seconds of 1970, or with 0 until it is changed."""
        person.status, person.status_until = emoji, until
        profile = {"real_name": person.name, "status_text": "", "status_emoji": emoji, "status_expiration": until}
        user = {"id": person.id, "team_id": self.slack.team, "name": person.name.lower(), "profile": profile}
        moment = self.slack.moment()
        return await self.event({"type": "user_status_changed", "user": user, "event_ts": moment})

    async def event(self, event: Json, event_id: str = "") -> bool:
        """Anything that happens; with the id of an earlier one it is that one again."""
        number = next(self._events)
        return await self.teller.event({
            "token": "not-used-any-more", "team_id": self.slack.team, "api_app_id": APP, "event": event,
            "type": "event_callback", "event_id": event_id or f"Ev{number:08}", "event_time": int(self.slack.now()),
            "authorizations": [{"team_id": self.slack.team, "user_id": BOT, "is_bot": True, "enterprise_id": None}],
        })  # fmt: skip

    async def command(self, person: Person, command: str, text: str = "", channel: Channel | None = None) -> None:
        """Types a slash command."""
        place = channel or self.slack.conversation(person.id)
        answer = await self._asked(person, "slash_commands", {
            "command": command, "text": text, "user_id": person.id, "user_name": person.name,
            "team_id": self.slack.team, "team_domain": "demo",
            "channel_id": place.id, "channel_name": place.name or "directmessage",
            "api_app_id": APP, "token": "not-used-any-more", "trigger_id": self.slack.trigger(person.id),
            "response_url": self._reply(person, place.id), "is_enterprise_install": "false",
        })  # fmt: skip
        if answer:
            self.show(person, place, answer)

    async def shortcut(self, person: Person, callback: str) -> None:
        """Chooses one of the app's shortcuts."""
        told = {"type": "shortcut", "callback_id": callback, "action_ts": self.slack.moment()}
        await self._asked(person, "interactive", self._around(person) | told)

    async def press(
        self, person: Person, shown: Json, action: str, value: Any = None, values: Mapping[str, Any] | None = None
    ) -> None:
        """Presses or chooses in a view, or in a message of a channel; ``values`` are what else is filled in there.

        Raises NotThere.
        """
        told = pressed(shown["blocks"], action, value, self.slack.moment())
        payload = self._around(person) | {"type": "block_actions", "actions": [told]}
        if "ts" in shown:
            place = next(one for one in self.slack.channels.values() if shown in one.messages or shown in person.shown)
            container = {"type": "message", "message_ts": shown["ts"], "channel_id": place.id}
            payload |= {
                "container": container, "channel": {"id": place.id, "name": place.name}, "message": shown,
                "response_url": self._reply(person, place.id, shown["ts"]),
            }  # fmt: skip
        else:
            chosen = {} if value is None or told["type"] == "button" else {action: value}
            view = {**shown, "state": {"values": state(shown["blocks"], {**(values or {}), **chosen})}}
            payload |= {"container": {"type": "view", "view_id": shown["id"]}, "view": view}
        await self._asked(person, "interactive", payload)

    async def look_for(self, person: Person, action: str, text: str) -> list[Json]:
        """Types into a select of the view on top whose options the app gives. Raises NotThere."""
        if action not in {element.get("action_id") for _, element in elements(person.view["blocks"])}:
            raise NotThere(action)
        told = {"type": "block_suggestion", "action_id": action, "value": text, "view": person.view}
        answer = await self._asked(person, "interactive", self._around(person) | told)
        found: list[Json] = (answer or {}).get("options", [])
        return found

    async def submit(self, person: Person, values: Mapping[str, Any] | None = None) -> None:
        """Submits the view on top with these values, by their actions. Raises NotThere and NotFilled."""
        view = {**person.view, "state": {"values": filled(person.view["blocks"], values or {})}}
        person.view.pop("errors", None)
        told = {"type": "view_submission", "view": view, "response_urls": []}
        try:
            answer = await self.teller.asked("interactive", self._around(person) | told)
        except Untold:
            person.faults.append(FAILED)
            return
        self._follow(person, answer or {})

    async def close(self, person: Person) -> None:
        """Closes the view on top."""
        view = person.views.pop()
        if view.get("notify_on_close"):
            told = {"type": "view_closed", "view": view, "is_cleared": False}
            await self._asked(person, "interactive", self._around(person) | told)

    def show(self, person: Person, place: Channel, answer: Json) -> None:
        """What the app answers to somebody alone, or before everybody. Raises NotTaken for what Slack refuses."""
        check_blocks(answer.get("blocks", []))
        said = {"user": BOT, "ts": self.slack.moment(), "text": answer.get("text", ""), "channel": place.id}
        said["blocks"] = answer.get("blocks", [])
        if answer.get("response_type") == "in_channel":
            place.messages.append(said)
        else:
            person.shown.append(said)

    def answered(self, reply: str, answer: Json) -> None:
        """What the app says at one of the addresses. Raises NotTaken once it is used up."""
        known = self.replies.get(reply)
        if known is None or self.slack.now() > known.until:
            raise NotTaken("expired_url")
        if known.left == 0:
            raise NotTaken("used_url")
        known.left -= 1
        person, place = self.slack.people[known.person], self.slack.channels[known.channel]
        if answer.get("replace_original") and known.message:
            person.shown = [one for one in person.shown if one["ts"] != known.message]
        if not answer.get("delete_original"):
            self.show(person, place, answer)

    def _follow(self, person: Person, answer: Json) -> None:
        """What a submitted view becomes."""
        action = answer.get("response_action", "")
        if action in {"update", "push"}:
            check_view(answer.get("view"), "modal")
            if action == "push" and len(person.views) >= VIEWS_AT_ONCE:
                raise NotTaken("push_limit_reached")
        if action == "errors":
            inputs = {block["block_id"] for block in person.view["blocks"] if block["type"] == "input"}
            if not answer.get("errors") or not inputs >= set(answer["errors"]):
                raise NotTaken("invalid_arguments", "errors stand at input blocks only")
            person.view["errors"] = answer["errors"]
        elif action == "update":
            person.views[-1] = self.slack.marked({**person.view, **answer["view"]})
        elif action == "push":
            person.views.append(self.slack.made(answer["view"]))
        elif action == "clear":
            person.views.clear()
        else:
            person.views.pop()

    async def _asked(self, person: Person, kind: str, payload: Json) -> Any:
        try:
            return await self.teller.asked(kind, payload)
        except Untold as error:
            person.faults.append(f"{payload.get('command', FAILED)} failed: {error.reason}")
            return None

    def _around(self, person: Person) -> Json:
        who = {"id": person.id, "username": person.name, "name": person.name, "team_id": self.slack.team}
        return {
            "user": who, "team": {"id": self.slack.team, "domain": "demo"}, "api_app_id": APP, "enterprise": None,
            "is_enterprise_install": False, "token": "not-used-any-more", "trigger_id": self.slack.trigger(person.id),
        }  # fmt: skip

    def _reply(self, person: Person, channel: str, message: str = "") -> str:
        named = secrets.token_hex(12)
        self.replies[named] = Reply(person.id, channel, self.slack.now() + USABLE_SECONDS, message)
        return f"{self.address}/replies/{named}"

    def _written(self, person: Person, channel: Channel, text: str) -> Json:
        message = {"type": "message", "user": person.id, "text": text, "ts": self.slack.moment()}
        channel.messages.append(message)
        return {**message, "event_ts": message["ts"]}
