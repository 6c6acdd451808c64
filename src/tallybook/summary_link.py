"""How conversations end and by whom they are summed up: the projects file, the language model, and the inbox."""

from __future__ import annotations

from collections.abc import Sequence

from .app import App
from .core import businesses
from .core.businesses import Business
from .core.errors import WrongSetup
from .inbox.answer_types import ModelTerms
from .inbox.service.model_summaries import Summing
from .inbox.session_jobs import Manner
from .inbox.session_types import Gist, Spoken
from .projects_file import ProjectsFile, read_projects_file


async def manner(app: App, business: Business) -> Manner:
    """How a business's conversations end; as where nothing is said of it while there is a mistake in the file."""
    file = _file(app)
    if file is None or not await _is_meant(app, file, business):
        return Manner()
    return Manner(file.silence, has_model=_terms(app, file) is not None)


async def summarise(app: App, business: Business, spoken: Sequence[Spoken], statuses: Sequence[str]) -> Gist | None:
    """A conversation summed up by the business's model; None where it has none. Raises ModelFault."""
    file = _file(app)
    terms = _terms(app, file) if file is not None else None
    if app.model is None or file is None or terms is None or not await _is_meant(app, file, business):
        return None
    return await Summing(app.db, app.model, terms).summarise(business, spoken, statuses)


def _file(app: App) -> ProjectsFile | None:
    path = app.settings.config
    try:
        return read_projects_file(path) if path.exists() else None
    except WrongSetup:
        return None


def _terms(app: App, file: ProjectsFile) -> ModelTerms | None:
    return file.bot.model if app.model is not None else None


async def _is_meant(app: App, file: ProjectsFile, business: Business) -> bool:
    """Whether the file's inbox is that of this business: the one that it names, else the first."""
    if file.bot.business is not None:
        return file.bot.business == business.name
    known = await app.db.run("list businesses", businesses.every)
    return bool(known) and known[0].id == business.id
