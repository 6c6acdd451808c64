"""What is said to a language model and what it answers, in our own words. Pure."""

from __future__ import annotations

import enum
from typing import Any, Protocol

import msgspec


class Call(msgspec.Struct, frozen=True):
    """A tool that the model wants to use. ``arguments`` is JSON as the model wrote it, which may be none."""

    id: str
    name: str
    arguments: str


class Said(msgspec.Struct, frozen=True):
    """One turn. ``role`` is system, user, assistant or tool; ``answers`` is the id of the call that a tool answers."""

    role: str
    text: str
    calls: tuple[Call, ...] = ()
    answers: str = ""


class Tool(msgspec.Struct, frozen=True):
    """What the model may use. ``parameters`` is a JSON schema."""

    name: str
    says: str
    parameters: dict[str, Any]


class Asked(msgspec.Struct, frozen=True):
    """A request. ``max_tokens`` is of the answer alone, ``seconds`` for the whole of it."""

    model: str
    said: tuple[Said, ...]
    tools: tuple[Tool, ...]
    max_tokens: int
    seconds: float


class Reply(msgspec.Struct, frozen=True):
    """What the model gave. ``cut``: it had more to say than it was allowed. Tokens are null where nobody told them."""

    text: str
    calls: tuple[Call, ...] = ()
    cut: bool = False
    tokens_in: int | None = None
    tokens_out: int | None = None


class Fault(enum.StrEnum):
    """Why there is no answer, in words that follow “the model”."""

    KEY = "refused our key"
    BUSY = "has too much to do"
    AWAY = "could not be reached"
    SLOW = "took too long"
    REFUSED = "refused the request"
    MALFORMED = "gave an answer that cannot be read"
    TOO_LARGE = "gave an answer that is too large"


class ModelFault(Exception):
    """There is no answer. ``retry_after`` is in seconds, where the endpoint told it."""

    def __init__(self, fault: Fault, retry_after: float | None = None) -> None:
        super().__init__(fault)
        self.fault = fault
        self.retry_after = retry_after


class Model(Protocol):
    """Whoever answers."""

    async def ask(self, asked: Asked) -> Reply:
        """Raises ModelFault, and nothing else."""
