"""The desk and its projects, from the database's mirror of the projects file, for processes that read no bridge."""

from __future__ import annotations

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor import rules
from tallybook.monitor.reply_types import Manner
from tallybook.monitor.store import projects as store
from tallybook.monitor.store.projects import Mirrored
from tallybook.monitor.types import Project

from .filing import Desk


def project_of(row: Mirrored) -> Project:
    """A mirrored project with its pattern ready. Pure."""
    return Project(
        name=row.name,
        group=row.group,
        kind=row.kind,
        space=row.space,
        validated=row.validated,
        pattern=rules.compile_pattern(row.pattern),
        own_posts_count=row.own_posts_count,
    )


# What is filed from here was said long ago, or by a person for somebody else: no group is answered for it.
SILENT = Manner(enabled=False)


async def desk_of(conn: Conn, business: Business) -> Desk:
    """The desk of every project that this environment reads now. It files and answers nobody."""
    projects = [project_of(row) for row in await store.every(conn, business.id) if row.active]
    return Desk({project.group: project for project in projects}, business.zone, SILENT)
