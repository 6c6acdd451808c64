"""Photos as the settings and the projects file name them: whose bridge has them, where they are kept, what is near."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from .app import App
from .channels.bridge.files import BridgeFiles, NotThere
from .core.errors import TallybookError
from .core.jobs import Held
from .monitor import photo_jobs
from .monitor.photo_jobs import FETCH, Unfetched
from .monitor.photos import WITHIN
from .projects_file import read_projects_file
from .settings import Settings

__all__ = ["FETCH", "folder", "run_job", "within"]

NO_BRIDGE = "No bridge is named in the projects file."


def folder(settings: Settings) -> Path:
    """Where photos are kept, each under the hash of what it holds."""
    return settings.data_dir / "media"


@dataclass(frozen=True)
class _Files:
    """The bridge's files, with its no in the monitor's words."""

    files: BridgeFiles | None

    async def fetch(self, external_id: str, chat: str, most: int) -> bytes:
        if self.files is None:
            raise Unfetched(NO_BRIDGE)
        try:
            return await self.files.fetch(external_id, chat, most)
        except NotThere as error:
            raise Unfetched(str(error)) from error


async def run_job(app: App, held: Held) -> None:
    """Fetches one photo from the bridge that the projects file names."""
    settings = app.settings
    bridge = read_projects_file(settings.config).bridge if settings.config.exists() else None
    files = BridgeFiles(settings.bridge_api_url, bridge.messages.parent, settings.bridge_token) if bridge else None
    await photo_jobs.fetch(_Files(files), folder(settings), held)


def within(settings: Settings) -> timedelta:
    """How near to a post a photo counts as probably of it, as the projects file says; the usual where it says wrong."""
    try:
        stat = settings.config.stat()
        return timedelta(minutes=_minutes(settings.config, stat.st_mtime_ns, stat.st_size))
    except (OSError, TallybookError):  # the watch tells of it
        return WITHIN


@lru_cache(maxsize=4)
def _minutes(path: Path, changed: int, size: int) -> int:  # noqa: ARG001 - a file that changed is read again
    return read_projects_file(path).monitor.photo_minutes
