"""Turns a template and its context into an answer. Every page of every module is made here.

A template always has: ``lang``, ``dir``, ``theme``, ``csrf_token``, ``csrf_field``, ``environment``, ``place`` (the
path whose entry in the rail is the current one), ``here`` (path and query, to come back to), ``me`` (the Caller, None
on open pages), ``business`` and ``clock`` (None on open pages), ``asset(name)``, and ``_``/``ngettext``.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import BaseLoader, Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.utils.scope.state import ScopeState

from tallybook.core.businesses import LOCALES, Business
from tallybook.core.callers import Caller

from . import i18n
from .page_tokens import masked, unmasked
from .parts import pieces
from .times import Clock

FOLDER = Path(__file__).parent
BUILT, SOURCE = FOLDER / "static" / "dist", FOLDER / "static" / "src"
CSRF_FIELD = "_csrf_token"  # Litestar's own name for it
LANGUAGE_COOKIE = "lang"
WORTH_COMPRESSING = 1400  # bytes; less is one packet anyhow
GZIP_LEVEL = 5


@dataclass(frozen=True)
class Pages:
    """The templates, once per language."""

    environment: str

    @cached_property
    def _templates(self) -> dict[str, Environment]:
        loader = FileSystemLoader(FOLDER / "templates")
        return {locale: _environment(loader, locale) for locale in LOCALES}

    def render(self, request: Request[Any, Any, Any], name: str, context: dict[str, Any]) -> str:
        """The text of a page, or of a part of one."""
        caller: Caller | None = request.scope.get("user")
        lang = language_of(request)
        base = {
            "lang": lang,
            "dir": i18n.direction(lang),
            "theme": caller.theme if caller else "auto",
            "csrf_token": csrf_token(request),
            "csrf_field": CSRF_FIELD,
            "environment": self.environment,
            "place": "/" + request.scope["path"].split("/")[1],
            "here": here(request),
            "me": caller,
            "business": caller.business if caller else None,
            "clock": clock_of(request) if caller else None,
        }
        return self._templates[lang].get_template(name).render(base | context)


def page(
    request: Request[Any, Any, Any], name: str, context: dict[str, Any] | None = None, status: int = 200
) -> Response[Any]:
    """A page as an answer, compressed for who takes that. It is never stored by a browser or a proxy."""
    pages: Pages = request.app.state.pages
    headers = {"cache-control": "no-store", "vary": "cookie, accept-language, accept-encoding, hx-request"}
    body = pages.render(request, name, context or {}).encode()
    if len(body) >= WORTH_COMPRESSING and takes_gzip(request.headers.get("accept-encoding", "")):
        body = gzip.compress(body, GZIP_LEVEL, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(body, status_code=status, media_type=MediaType.HTML, headers=headers)


def takes_gzip(accepted: str) -> bool:
    """Whether the header Accept-Encoding names gzip, and not with a weight of 0. Pure."""
    for one in accepted.lower().split(","):
        name, _, weight = one.partition(";")
        if name.strip() == "gzip":
            return not re.fullmatch(r"q=0(\.0*)?", weight.strip())
    return False


def language_of(request: Request[Any, Any, Any]) -> str:
    caller: Caller | None = request.scope.get("user")
    return i18n.chosen(
        caller.locale if caller else None,
        request.cookies.get(LANGUAGE_COOKIE),
        request.headers.get("accept-language"),
        caller.business.locale if caller else None,
    )


def clock_of(request: Request[Any, Any, Any]) -> Clock:
    """The business's wall clock at this moment, in the reader's language. For known callers alone."""
    business: Business = request.scope["user"].business
    lang = language_of(request)
    return Clock(datetime.now(UTC), business, lang, i18n.words(lang))


def csrf_token(request: Request[Any, Any, Any]) -> str:
    """The page's token, another one at each call."""
    token = ScopeState.from_scope(request.scope).csrf_token
    caller: Caller | None = request.scope.get("user")
    return masked(unmasked(token), caller.business_id if caller else None) if isinstance(token, str) else ""


def here(request: Request[Any, Any, Any]) -> str:
    """The path and query of this page, or of the one that asked for this part of it."""
    query = request.scope["query_string"].decode("latin-1")
    return request.url.path + (f"?{query}" if query else "")


def asset(name: str) -> str:
    """The address of a static file; it changes with the file, so that browsers may keep it for ever."""
    return _assets().get(name, f"/static/{name}")


def static_folders() -> list[Path]:
    """Where static files are served from: what was built, then what needs no building."""
    return [folder for folder in (BUILT, SOURCE) if folder.is_dir()]


def _assets() -> dict[str, str]:
    """The built files by the names of their sources; where nothing is built, the sources with their hashes."""
    manifest = BUILT / "manifest.json"
    if not _known_assets and manifest.is_file():
        names = msgspec.json.decode(manifest.read_bytes(), type=dict[str, str])
        _known_assets.update({name: f"/static/{built}" for name, built in names.items()})
    elif not _known_assets and SOURCE.is_dir():
        for file in SOURCE.iterdir():
            version = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
            _known_assets[file.name] = f"/static/{file.name}?v={version}"
    return _known_assets


_known_assets: dict[str, str] = {}


def _environment(loader: BaseLoader, locale: str) -> Environment:
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(i18n.words(locale), newstyle=True)  # type: ignore[attr-defined]  # the extension adds it
    environment.globals["asset"] = asset
    environment.globals.update(pieces(asset, i18n.words(locale)))
    return environment
