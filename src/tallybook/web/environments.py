"""Other environments beside production, as the owner last compared them. Production's admins see it, nobody else.

Production's own role cannot look into another schema, so this page only shows what was found; the command says when.
"""

from __future__ import annotations

from gettext import NullTranslations
from itertools import groupby
from typing import Any

import msgspec
from litestar import Response, get

from tallybook.core import environment_comparing
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import PROD
from tallybook.core.environment_comparing import Line, Report
from tallybook.core.environment_registers import Held
from tallybook.core.marking import N_

from . import i18n, pages
from .needs import Asked, TheApp

REGISTERS = {
    "qa_photo_reviews": N_("QA reviews"),
    "marketing_activations": N_("Marketing activations"),
    "invalid_drop_submissions": N_("Drops not in the list"),
    "valid_drop_numbers": N_("Lists of valid drops"),
    "messages": N_("Messages"),
}


class Side(msgspec.Struct, frozen=True):
    """One environment's line of a project. ``alone`` are drops that only it has, ``alone_count`` how many."""

    name: str
    held: Held | None
    alone: list[str]
    alone_count: int


class Project(msgspec.Struct, frozen=True):
    """A project in one register, production's side first."""

    name: str
    sides: tuple[Side, Side]


class Register(msgspec.Struct, frozen=True):
    """A register's table. A list of valid drops has no days: a drop is in it or is not."""

    name: str
    counts_drops: bool
    has_days: bool
    projects: list[Project]


def registers(report: Report, words: NullTranslations) -> list[Register]:
    """The report's lines by register, in the reader's words. Pure."""
    order = list(REGISTERS)
    lines = sorted(report.lines, key=lambda line: (order.index(line.register), line.project))
    return [
        Register(
            words.gettext(REGISTERS[name]),
            name != "messages",
            name != "valid_drop_numbers",
            [_project(line, report.environment, words) for line in some],
        )
        for name, some in groupby(lines, key=lambda line: line.register)
    ]


def _project(line: Line, environment: str, words: NullTranslations) -> Project:
    return Project(
        line.project or words.gettext("Without a project"),
        (
            Side(words.gettext("Production"), line.here, line.missing, line.missing_count),
            Side(environment, line.there, line.extra, line.extra_count),
        ),
    )


@get("/environments", include_in_schema=False)
async def environments_page(request: Asked, app: TheApp) -> Response[str]:
    """The last comparison with each other environment; in another one, that it is none of its business."""
    caller: Caller = request.user
    require(caller, Right.ADMINISTER)
    found: list[Report] = []
    if app.settings.env == PROD:
        found = await app.db.run("comparisons", lambda conn: environment_comparing.kept(conn, caller.business_id))
    words = i18n.words(pages.language_of(request))
    context: dict[str, Any] = {"reports": [(report, registers(report, words)) for report in found]}
    return pages.page(request, "environments.html", context)


HANDLERS = [environments_page]
