"""What OpenAI documents of a chat completion: what may be asked, and in which order things may be said."""

from __future__ import annotations

import json
from typing import Any

KNOWN = frozenset({"model", "messages", "max_tokens", "temperature", "tools"})
ROLES = frozenset({"system", "user", "assistant", "tool"})


class NotTaken(Exception):
    """A request is not taken, with its status."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


def checked(content: bytes) -> dict[str, Any]:
    """The body of a request. Raises NotTaken."""
    try:
        body = json.loads(content)
    except ValueError:
        raise NotTaken(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict) or set(body) - KNOWN:
        raise NotTaken(400, "Unrecognized request argument supplied.")
    if not isinstance(body.get("model"), str) or not isinstance(body.get("max_tokens"), int):
        raise NotTaken(400, "You must provide a model parameter.")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise NotTaken(400, "[] is too short - 'messages'")
    _check_order(messages)
    for tool in body.get("tools", []):
        function = tool["function"]
        if (
            tool["type"] != "function"
            or not function["name"].isidentifier()
            or "properties" not in function["parameters"]
        ):
            raise NotTaken(400, "Invalid 'tools'.")
    return body


def _check_order(messages: list[dict[str, Any]]) -> None:
    """Each call of a tool is answered at once, by its id, and nothing else is."""
    waiting: set[str] = set()
    for message in messages:
        if message.get("role") not in ROLES or not isinstance(message.get("content"), str):
            raise NotTaken(400, "Invalid value for 'messages'.")
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                raise NotTaken(400, "messages with role 'tool' must be a response to a preceding 'tool_calls'.")
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            raise NotTaken(400, "An assistant message with 'tool_calls' must be followed by tool messages.")
        waiting |= {one["id"] for one in message.get("tool_calls", [])}
    if waiting:
        raise NotTaken(400, "An assistant message with 'tool_calls' must be followed by tool messages.")
