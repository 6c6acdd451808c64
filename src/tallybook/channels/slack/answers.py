"""What the answers of Slack's API mean. Pure.

An answer is judged by its error's code, never by its words. Most come with HTTP 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tallybook.channels.posting import read_as
from tallybook.core.channel import OutcomeUnknown, RateLimited, Refused, SendError, Unreachable
from tallybook.core.numbers import seconds_in

LONGEST_WAIT = 3600.0  # seconds
WAIT = 30.0  # seconds, where Slack says that it is too much and not for how long
DONE, FAILED, TOO_MANY, UNAVAILABLE = range(200, 300), range(500, 600), 429, 503

TOO_FAST = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
# Nobody of the workspace can be written to until somebody has mended it.
OF_WORKSPACE: Mapping[str, str] = {
    **dict.fromkeys(
        ("invalid_auth", "not_authed", "token_expired", "token_revoked", "not_allowed_token_type"),
        "Slack does not take the workspace's token: give the account a new one.",
    ),
    **dict.fromkeys(
        ("account_inactive", "team_access_not_granted", "access_denied", "org_login_required", "ekm_access_denied"),
        "The app is no longer in the Slack workspace, or may not act there: install it again.",
    ),
    "accesslimited": "The Slack workspace does not let this machine in.",
}
REFUSALS: Mapping[str, str] = {
    "missing_scope": "The Slack app lacks a permission (scope) for this: give it, and install the app again.",
    "no_permission": "The Slack app lacks a permission (scope) for this: give it, and install the app again.",
    "channel_not_found": "Slack has no such channel or person, or the app may not see it.",
    "not_in_channel": "The Slack app is not in the channel: invite it.",
    "is_archived": "The Slack channel is archived.",
    "user_not_found": "Slack has no such person.",
    "user_disabled": "This person is no longer in the Slack workspace.",
    "cannot_dm_bot": "A bot cannot write to itself or to another bot.",
    "messages_tab_disabled": "The app takes no direct messages: switch on its Messages tab in Slack.",
    "restricted_action": "The workspace's settings do not let the app do this.",
    "msg_too_long": "The message is too long for Slack.",
    "too_long": "The topic is too long for Slack.",
    "invalid_blocks": "Slack does not take the message's blocks.",
    "message_not_found": "The message that was to be changed is no longer there.",
    "cant_update_message": "Slack lets the app change only what it said itself.",
    "edit_window_closed": "The workspace's settings do not let the message be changed any more.",
    "no_users_provided": "Slack lets no user group be empty, so it stays as it is.",
    "invalid_users": "Somebody who was to be in the user group is not in the workspace.",
    "failed_for_some_users": "Slack could not put everybody into the user group.",
    "permission_denied": "The workspace's settings do not let the app change user groups.",
    "paid_teams_only": "Slack has user groups in paid workspaces only.",
    "plan_upgrade_required": "Slack has user groups in paid workspaces only.",
    "subteam_not_found": "Slack has no such user group.",
    "no_such_subteam": "Slack has no such user group.",
    "hash_conflict": "The view was changed meanwhile.",
    "expired_trigger_id": "It took too long: Slack lets a dialogue be opened only within three seconds of the click.",
}
# Slack's own trouble, in which nothing was done.
PASSING = frozenset({"service_unavailable", "team_added_to_org", "request_timeout"})
# Slack's own trouble, of which it says that a part may have been done.
IN_DOUBT = frozenset({"internal_error", "fatal_error"})
NO_TRIGGER = frozenset({"expired_trigger_id", "trigger_expired", "trigger_exchanged", "exchanged_trigger_id"})


class MethodLimited(RateLimited):
    """One method, or one channel, was called too fast; everything else can be called."""

    of_line = False


class OfWorkspace(SendError):
    """Nothing can be said in the workspace until somebody mends it."""

    of_line = True


class SaidNo(Refused):
    """Slack said no; ``code`` is its word for why."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Answer(msgspec.Struct, frozen=True):
    """The part that every answer has."""

    ok: bool
    error: str = ""


def outcome_of(status: int, headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
    """What Slack answered, as it says it. Raises a SendError, or OutcomeUnknown."""
    answer = read_as(Answer, content)
    if status == TOO_MANY or (answer is not None and answer.error in TOO_FAST):
        wait = seconds_in(headers.get("retry-after"), LONGEST_WAIT)
        raise MethodLimited("Slack asks us to wait.", WAIT if wait is None else wait)
    if answer is None or status not in DONE:
        raise _of_status(status)
    if not answer.ok:
        raise _of_code(answer.error)
    found: dict[str, Any] = msgspec.json.decode(content)
    return found


def _of_code(code: str) -> SendError | OutcomeUnknown:
    if code in IN_DOUBT:
        return OutcomeUnknown("Slack broke down over it and does not say whether it was done.")
    if code in PASSING:
        return Unreachable("Slack is in trouble.")
    if code in OF_WORKSPACE:
        return OfWorkspace(OF_WORKSPACE[code])
    if code in NO_TRIGGER:
        return SaidNo(REFUSALS["expired_trigger_id"], code)
    shown = code if code.replace("_", "").isalnum() and code.isascii() else "unreadable"
    return SaidNo(REFUSALS.get(code, f"Slack refused it (error {shown})."), code)


def _of_status(status: int) -> SendError | OutcomeUnknown:
    """What an answer without a code means: somebody in between gave it, or Slack in great trouble."""
    if status == UNAVAILABLE:
        return Unreachable("Slack is in trouble.")
    if status in FAILED:
        return OutcomeUnknown("Slack broke down over it and does not say whether it was done.")
    if status in DONE:
        return OutcomeUnknown("Slack's answer says neither yes nor no.")
    return Refused(f"Slack's API refused it (HTTP {status}): look at TALLYBOOK_SLACK_API_URL.")
