"""The API's description: OpenAPI at /schema/openapi.json and a plain page of it at /schema, from our own host alone.

``schema.html`` has ``title``, ``version`` and ``operations``: a list of Operation.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import msgspec
from litestar.enums import MediaType
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from .needs import Asked

METHODS = ("get", "post", "put", "patch", "delete")
TITLE = "Tallybook"


class Operation(msgspec.Struct, frozen=True):
    """One thing that the API does."""

    method: str
    path: str
    summary: str
    description: str
    parameters: list[str]


def config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title=TITLE,
        version=version("tallybook"),
        path="/schema",
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin(path="/openapi.json"), PlainPage()],
        components=Components(
            security_schemes={
                "token": SecurityScheme(type="http", scheme="bearer", description="An API token: tb_…"),
            }
        ),
        security=[{"token": []}],
    )


class PlainPage(OpenAPIRenderPlugin):
    """The operations as a page of ours: the usual viewers need a foreign host or scripts in the page."""

    def __init__(self) -> None:
        super().__init__(path="/", media_type=MediaType.HTML)

    def render(self, request: Asked, openapi_schema: dict[str, Any]) -> bytes:
        info = openapi_schema["info"]
        context = {"title": info["title"], "version": info["version"], "operations": operations(openapi_schema)}
        text: str = request.app.state.pages.render(request, "schema.html", context)
        return text.encode()


def operations(schema: dict[str, Any]) -> list[Operation]:
    """Every operation of an OpenAPI document, by path. Pure."""
    return [
        Operation(
            method.upper(),
            path,
            item[method].get("summary", ""),
            item[method].get("description", ""),
            [parameter["name"] for parameter in item[method].get("parameters", [])],
        )
        for path, item in sorted(schema.get("paths", {}).items())
        for method in METHODS
        if method in item
    ]
