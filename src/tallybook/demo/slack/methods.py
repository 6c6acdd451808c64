"""The methods of Slack's API that the product calls, on a made-up workspace. Each raises NotTaken as Slack refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from .limits import LONGEST_TOPIC, NotTaken, check_blocks, check_text, check_view
from .workspace import APP, BOT, VIEWS_AT_ONCE, Channel, Person, Workspace

Told = dict[str, Any]
MOST_OF_A_PAGE = 999
LONGEST_MARK = 8000


def auth_test(slack: Workspace, told: Told) -> Told:  # noqa: ARG001 - as every method
    return {"team_id": slack.team, "user_id": BOT, "bot_id": "B0TALLYBOOK", "team": "Demo", "user": "tallybook"}


def post_message(slack: Workspace, told: Told) -> Told:
    channel = slack.place(told.get("channel", ""))
    message = _said(slack, told) | _mark(told)
    if told.get("thread_ts"):
        slack.message(channel.id, told["thread_ts"])
        message["thread_ts"] = told["thread_ts"]
    channel.messages.append(message)
    return {"channel": channel.id, "ts": message["ts"], "message": message}


def update(slack: Workspace, told: Told) -> Told:
    channel = slack.channels.get(told.get("channel", ""))
    if channel is None:
        raise NotTaken("channel_not_found")
    message = slack.message(channel.id, told.get("ts", ""))
    if message["user"] != BOT:
        raise NotTaken("cant_update_message")
    check_text(told.get("text", ""), told.get("blocks"))
    check_blocks(told.get("blocks", []))
    message |= {name: told[name] for name in ("text", "blocks") if name in told}
    message["edited"] = {"user": BOT, "ts": slack.moment()}
    return {"channel": channel.id, "ts": message["ts"], "text": message["text"]}


def post_ephemeral(slack: Workspace, told: Told) -> Told:
    channel = slack.place(told.get("channel", ""))
    person = slack.people.get(told.get("user", ""))
    if person is None:
        raise NotTaken("user_not_in_channel")
    message = _said(slack, told) | {"channel": channel.id}
    person.shown.append(message)
    return {"message_ts": message["ts"]}


def history(slack: Workspace, told: Told) -> Told:
    channel = _seen(slack, told)
    return _page(told, [one for one in channel.messages if "thread_ts" not in one])


def replies(slack: Workspace, told: Told) -> Told:
    channel = _seen(slack, told)
    first = slack.message(channel.id, told.get("ts", ""))
    answers = [one for one in channel.messages if one.get("thread_ts") == first["ts"]]
    return _page(told, [first, *answers])


def conversations_open(slack: Workspace, told: Told) -> Told:
    return {"channel": {"id": slack.conversation(told.get("users", "")).id}}


def conversations_info(slack: Workspace, told: Told) -> Told:
    channel = _seen(slack, told)
    return {"channel": {"id": channel.id, "name": channel.name, "topic": {"value": escape(channel.topic, quote=False)}}}


def set_topic(slack: Workspace, told: Told) -> Told:
    channel = slack.place(told.get("channel", ""))
    if len(told.get("topic", "")) > LONGEST_TOPIC:
        raise NotTaken("too_long")
    channel.topic = told.get("topic", "")
    return {"channel": {"id": channel.id, "topic": {"value": channel.topic}}}


def groups(slack: Workspace, told: Told) -> Told:  # noqa: ARG001 - as every method
    _paid(slack)
    return {"usergroups": [{"id": one.id, "handle": one.handle} for one in slack.groups.values()]}


def members(slack: Workspace, told: Told) -> Told:
    _paid(slack)
    group = slack.groups.get(told.get("usergroup", ""))
    if group is None:
        raise NotTaken("no_such_subteam")
    return {"users": list(group.people)}


def set_members(slack: Workspace, told: Told) -> Told:
    """The whole list is replaced; an empty one is refused."""
    _paid(slack)
    group = slack.groups.get(told.get("usergroup", ""))
    if group is None:
        raise NotTaken("subteam_not_found")
    people = [one for one in told.get("users", "").split(",") if one]
    if not people:
        raise NotTaken("no_users_provided")
    if any(one not in slack.people or not slack.people[one].is_active for one in people):
        raise NotTaken("invalid_users")
    group.people = list(dict.fromkeys(people))
    return {"usergroup": {"id": group.id, "handle": group.handle, "users": group.people}}


def users_info(slack: Workspace, told: Told) -> Told:
    person = slack.people.get(told.get("user", ""))
    if person is None:
        raise NotTaken("user_not_found")
    return {"user": _person(person)}


def users_list(slack: Workspace, told: Told) -> Told:  # noqa: ARG001 - as every method
    return {"members": [_person(one) for one in slack.people.values()]}


def views_open(slack: Workspace, told: Told) -> Told:
    person = _who_clicked(slack, told)
    view = slack.made(told["view"])
    person.views = [view]
    return {"view": view}


def views_push(slack: Workspace, told: Told) -> Told:
    person = _who_clicked(slack, told)
    if not 0 < len(person.views) < VIEWS_AT_ONCE:
        raise NotTaken("push_limit_reached")
    view = slack.made(told["view"])
    person.views.append(view)
    return {"view": view}


def views_update(slack: Workspace, told: Told) -> Told:
    check_view(told.get("view"), "modal")
    person, place = slack.find_view(told)
    person.views[place] = slack.marked({**person.views[place], **told["view"]})
    return {"view": person.views[place]}


def views_publish(slack: Workspace, told: Told) -> Told:
    check_view(told.get("view"), "home")
    person = slack.people.get(told.get("user_id", ""))
    if person is None or person.is_bot:
        raise NotTaken("user_not_found")
    if told.get("hash") and person.home is not None and told["hash"] != person.home["hash"]:
        raise NotTaken("hash_conflict")
    person.home = slack.made(told["view"])
    return {"view": person.home}


METHODS: Mapping[str, Callable[[Workspace, Told], Told]] = {
    "auth.test": auth_test,
    "chat.postMessage": post_message,
    "chat.update": update,
    "chat.postEphemeral": post_ephemeral,
    "conversations.history": history,
    "conversations.replies": replies,
    "conversations.open": conversations_open,
    "conversations.info": conversations_info,
    "conversations.setTopic": set_topic,
    "usergroups.list": groups,
    "usergroups.users.list": members,
    "usergroups.users.update": set_members,
    "users.info": users_info,
    "users.list": users_list,
    "views.open": views_open,
    "views.push": views_push,
    "views.update": views_update,
    "views.publish": views_publish,
}


def _who_clicked(slack: Workspace, told: Told) -> Person:
    """Whose click a view is opened for. A view that is not right does not use up the trigger."""
    check_view(told.get("view"), "modal")
    named = told["view"].get("external_id")
    if named and any(view["external_id"] == named for one in slack.people.values() for view in one.views):
        raise NotTaken("duplicate_external_id")
    return slack.exchanged(told.get("trigger_id", ""))


def _said(slack: Workspace, told: Told) -> Told:
    blocks = told.get("blocks", [])
    check_text(told.get("text", ""), blocks)
    check_blocks(blocks)
    ours = {"type": "message", "user": BOT, "bot_id": "B0TALLYBOOK", "app_id": APP}
    return {**ours, "ts": slack.moment(), "text": told.get("text", ""), "blocks": blocks}


def _mark(told: Told) -> Told:
    mark = told.get("metadata")
    if mark is None:
        return {}
    if not isinstance(mark, dict) or set(mark) != {"event_type", "event_payload"}:
        raise NotTaken("invalid_metadata_format")
    if len(str(mark)) > LONGEST_MARK:
        raise NotTaken("metadata_too_large")
    return {"metadata": mark}


def _seen(slack: Workspace, told: Told) -> Channel:
    channel = slack.channels.get(told.get("channel", ""))
    if channel is None:
        raise NotTaken("channel_not_found")
    if not channel.has_app:
        raise NotTaken("not_in_channel")
    return channel


def _page(told: Told, messages: list[Told]) -> Told:
    """The newest first; what an app left beside a message is shown only to who asks for it."""
    limit = min(int(told.get("limit", 100)), MOST_OF_A_PAGE)
    begin = int(told.get("cursor") or 0)
    some = [one for one in reversed(messages) if float(one["ts"]) > float(told.get("oldest") or 0)]
    with_marks = told.get("include_all_metadata") is True
    shown = [one if with_marks else {n: v for n, v in one.items() if n != "metadata"} for one in some]
    following = str(begin + limit) if len(shown) > begin + limit else ""
    page = shown[begin : begin + limit]
    return {"messages": page, "has_more": bool(following), "response_metadata": {"next_cursor": following}}


def _person(one: Person) -> Told:
    profile = {
        "real_name": one.name, "display_name": one.name, "status_emoji": one.status,
        "status_expiration": one.status_until,
    }  # fmt: skip
    return {
        "id": one.id, "name": one.name.lower(), "real_name": one.name, "tz": one.zone, "deleted": not one.is_active,
        "is_bot": one.is_bot, "profile": profile,
    }  # fmt: skip


def _paid(slack: Workspace) -> None:
    if not slack.has_groups:
        raise NotTaken("paid_teams_only")
