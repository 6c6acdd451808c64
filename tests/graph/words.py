"""What is asked of the fake Microsoft Graph and what it answers, before it is HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Asked:
    """A request. Header names are in small letters."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.url).path)

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.url).query).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    @property
    def is_batch(self) -> bool:
        return self.path.endswith("/$batch")

    @property
    def writes(self) -> bool:
        """Whether anything in it changes something."""
        if self.is_batch:
            return any(one["method"] != "GET" for one in self.json["requests"])
        return self.method != "GET" and "/oauth2/" not in self.path


@dataclass
class Told:
    """An answer."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def error(status: int, code: str, **headers: str) -> Told:
    """Graph's way of saying no; the text repeats what was asked, as the real one does."""
    body = {"error": {"code": code, "message": f"{code}: something about the request, word for word"}}
    return Told(status, body, {name.replace("_", "-"): value for name, value in headers.items()})
