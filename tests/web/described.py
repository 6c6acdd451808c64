"""What the product's routes take, by their own description, so that a walk can fill in what it likes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import httpx
from litestar.routes import HTTPRoute

TEMPLATES = Path(__file__).parents[2] / "src" / "tallybook" / "web" / "templates"
FIELD = re.compile(r'name="([a-z_]+)"|[?&;]([a-z_]+)=')
PLACE = re.compile(r"{(\w+):(\w+)}")
# Of the installation, of the caller alone, or not answered by a route: by some of it the caller would end their token.
# A stream has no end to wait for: test_live_two_businesses listens to it.
NOBODYS = (
    "/account",
    "/api/account",
    "/login",
    "/logout",
    "/live",
    "/schema",
    "/static",
    "/metrics",
    "/healthz",
    "/readyz",
)
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
DEEP = 6


class Filling(Protocol):
    """What stands where: ``name`` is that of the field or parameter, ``schema`` what it may be."""

    def __call__(self, name: str, schema: dict[str, Any]) -> Any: ...


@dataclass(frozen=True)
class Operation:
    """A route by one of its methods. ``route`` is its template; ``query`` and ``body`` are empty where it has none."""

    method: str
    route: str
    query: dict[str, dict[str, Any]]
    body: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.route}"

    @property
    def is_api(self) -> bool:
        return self.route.startswith("/api/")

    def path(self, one: object, uuid: str) -> str:
        """Its address with the same thing in each place, and with the ``uuid`` where nothing else is taken."""
        return PLACE.sub(lambda at: uuid if at[2] == "uuid" else quote(str(one), safe=""), self.route)


async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    """The API's description, as /schema/openapi.json gives it."""
    found: dict[str, Any] = (await client.get("/schema/openapi.json")).raise_for_status().json()
    return found


def operations(app: Any, described: dict[str, Any]) -> Iterator[Operation]:
    """Every route by each of its methods, pages too, but for NOBODYS."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or route.path.startswith(NOBODYS):
            continue
        for method in sorted(route.methods & METHODS):
            told = described["paths"].get(PLACE.sub(r"{\1}", route.path), {}).get(method.lower(), {})
            query = {one["name"]: one["schema"] for one in told.get("parameters", []) if one["in"] == "query"}
            content = told.get("requestBody", {}).get("content", {})
            yield Operation(method, route.path, query, content.get("application/json", {}).get("schema", {}))


def fields() -> list[str]:
    """The name of every field and of every parameter that any page has."""
    texts = (path.read_text(encoding="utf-8") for path in TEMPLATES.rglob("*.html"))
    return sorted({a or b for text in texts for a, b in FIELD.findall(text)} - {"viewport", "theme"})


def body(schema: dict[str, Any], described: dict[str, Any], fill: Filling, name: str = "", depth: int = 0) -> Any:
    """A body by its schema: every field is there, each list has one, and ``fill`` says what stands in the leaves."""
    schema = _plain(schema, described)
    if "properties" in schema and depth < DEEP:
        inner = schema["properties"].items()
        return {key: body(part, described, fill, key, depth + 1) for key, part in inner}
    if _kind(schema) == "array" and depth < DEEP:
        return [body(schema.get("items", {}), described, fill, name, depth + 1)]
    if _kind(schema) == "object":
        return {}
    return fill(name, schema)


def _plain(schema: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    """Without references and choices: the first that is not null."""
    while True:
        choices = schema.get("oneOf") or schema.get("anyOf")
        if "$ref" in schema:
            schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        elif choices:
            schema = next((one for one in choices if one.get("type") != "null"), {"type": "null"})
        else:
            return schema


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type", "string")
    return kind if isinstance(kind, str) else next(one for one in kind if one != "null")


def plausible(schema: dict[str, Any], number: int, text: str = "x") -> Any:
    """A value that the schema allows; ``number`` wherever a number stands."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = _kind(schema)
    if kind in {"integer", "number"}:
        return number
    if kind in {"boolean", "null"}:
        return True if kind == "boolean" else None
    dated = {"date-time": "2026-12-01T10:00:00Z", "date": "2026-12-01", "uuid": "00000000-0000-0000-0000-000000000001"}
    return dated.get(schema.get("format", ""), text)
