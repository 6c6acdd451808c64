"""Chat completions as they go over the wire. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from .chat import Asked, Call, Fault, ModelFault, Reply, Said, Tool

CUT = "length"


def body_of(asked: Asked) -> dict[str, Any]:
    """A request as the endpoint takes it."""
    body: dict[str, Any] = {
        "model": asked.model,
        "messages": [_message(one) for one in asked.said],
        "max_tokens": asked.max_tokens,
        "temperature": 0.2,
    }
    return body | ({"tools": [_tool(one) for one in asked.tools]} if asked.tools else {})


def _message(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": said.role, "content": said.text}
    if said.answers:
        message["tool_call_id"] = said.answers
    if said.calls:
        message["tool_calls"] = [
            {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
            for one in said.calls
        ]
    return message


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.says, "parameters": tool.parameters}
    return {"type": "function", "function": function}


class _Function(msgspec.Struct):
    name: str
    arguments: str = ""


class _Call(msgspec.Struct):
    id: str
    function: _Function


class _Message(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


def read_reply(content: bytes) -> Reply:
    """What an answer says. Raises ModelFault for one that cannot be read."""
    try:
        answer = msgspec.json.decode(content, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ModelFault(Fault.MALFORMED) from None
    if not answer.choices:
        raise ModelFault(Fault.MALFORMED)
    first, used = answer.choices[0], answer.usage
    calls = tuple(Call(one.id, one.function.name, one.function.arguments) for one in first.message.tool_calls or [])
    told = (used.prompt_tokens, used.completion_tokens) if used else (None, None)
    return Reply(first.message.content or "", calls, first.finish_reason == CUT, *told)
