"""Reading the templates of the businesses at WhatsApp: all of them by the clock, one business's when asked."""

from __future__ import annotations

from .app import App
from .channels.whatsapp.templates import Catalogue
from .core import businesses
from .core.jobs import Held
from .inbox.service import templates

SYNC, schedules = templates.SYNC, templates.schedules


async def run_job(app: App, held: Held) -> None:
    """The job: of one business, or of every one where none is named."""
    every = await app.db.run("list businesses", businesses.every)
    asked = held.job.business_id
    for business in [one for one in every if asked is None or one.id == asked]:
        await templates.read_all(app.db, app.seal, Catalogue(app.settings.whatsapp_api_url), business.id)
    await app.db.run("finish reading templates", held.finish)
