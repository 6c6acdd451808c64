"""The projects file (tallybook.toml): what a person edits. Every mistake is told at once, each with its line."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from . import alerts_file, inbox_file, replies_file, report_file, sharepoint_file
from .alerts_file import AlertsEntry
from .core.environment_names import is_plain, is_reserved
from .core.errors import WrongSetup
from .inbox.answer_types import Bot
from .inbox.session_rules import SILENCE
from .replies_file import RepliesEntry
from .report_file import ReportEntry
from .sharepoint_file import SharePointEntry
from .toml_tables import Check, Tables, yes_or_no

KINDS = ("qa", "marketing")
DAY_MINUTES = 1440
_PHONE = re.compile(r"\+?[1-9][0-9]{7,14}")


class BridgeEntry(msgspec.Struct, frozen=True):
    """A WhatsApp bridge: its files, its name as a source, and the numbers that are ours, as ``+digits``."""

    messages: Path
    whatsapp: Path | None = None
    account: str = "primary"
    own_numbers: tuple[str, ...] = ()
    poll_seconds: float = 1.0


class ProjectEntry(msgspec.Struct, frozen=True):
    """A group that is watched. ``pattern`` None means the usual drop numbers."""

    name: str
    group: str
    kind: str
    drop_space: str
    validated: bool = False
    environments: tuple[str, ...] = ("prod",)
    pattern: str | None = None
    own_posts_count: bool = False


class MonitorEntry(msgspec.Struct, frozen=True):
    """The monitor's part. ``business`` None means the first business.

    ``time_zone``: that of the business which the first start makes; one that is there keeps its own.
    ``photo_minutes``: a photo without words this near to a post of its sender is probably of that drop.
    """

    time_zone: str = "Africa/Johannesburg"
    business: str | None = None
    photo_minutes: int = 10
    projects: tuple[ProjectEntry, ...] = ()
    replies: RepliesEntry = RepliesEntry()
    sharepoint: SharePointEntry = SharePointEntry()
    report: ReportEntry = ReportEntry()

    def read_by(self, environment: str) -> list[ProjectEntry]:
        """Give the projects that an environment reads."""
        return [project for project in self.projects if environment in project.environments]


class ProjectsFile(msgspec.Struct, frozen=True):
    """The whole file. ``bridge`` None means that no bridge is read.

    ``silence``: how long a customer says nothing until a conversation is over. ``shows_reading``: customers are shown
    that somebody read what they wrote.
    """

    path: Path
    bridge: BridgeEntry | None = None
    monitor: MonitorEntry = MonitorEntry()
    alerts: AlertsEntry = AlertsEntry()
    bot: Bot = Bot()
    silence: timedelta = SILENCE
    shows_reading: bool = False


def read_projects_file(path: Path) -> ProjectsFile:
    """Read and check the file; relative paths in it begin at its folder. Raises WrongSetup with every mistake."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise WrongSetup(f"The projects file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise WrongSetup(f"{path.name} is not UTF-8 text (byte {error.start}).") from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"(.*) \(at line (\d+), column \d+\)$", str(error))
        where, what = (
            (f" line {found[2]}", found[1])
            if found
            # Where the text ends too soon, its last line that holds anything is the one to look at.
            else (f" line {len(text.rstrip().splitlines()) or 1}", str(error).removesuffix(" (at end of document)"))
        )
        raise WrongSetup(f"{path.name}{where}: {what}") from error
    reader = _Reader(path, text)
    file = reader.file(tables)
    if reader.mistakes:
        raise WrongSetup("\n".join(f"{path.name}{place}: {what}" for place, what in reader.sorted()))
    return file


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text")
    return value.strip()


def _group(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"[0-9-]+@g\.us", text):
        raise ValueError("must end in @g.us, with the group's number before it")
    return text


def _kind(value: Any) -> str:
    if value not in KINDS:
        raise ValueError('must be "qa" or "marketing"')
    return str(value)


def _pattern(value: Any) -> str:
    try:
        compiled = re.compile(_text(value))
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error.msg}") from error
    if compiled.fullmatch(""):
        raise ValueError("must not match an empty text")
    return compiled.pattern


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError("must be a number of seconds above 0")
    return float(value)


def _minutes(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= DAY_MINUTES:
        raise ValueError(f"must be a whole number of minutes from 0 to {DAY_MINUTES}")
    return value


def _zone(value: Any) -> str:
    try:
        return ZoneInfo(_text(value)).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError('must be a time zone such as "Africa/Johannesburg"') from error


def _environments(value: Any) -> tuple[str, ...]:
    names = tuple(value) if isinstance(value, list) else ()
    if not names or not all(isinstance(name, str) and is_plain(name) for name in names):
        raise ValueError('must be a list of environments, such as ["prod"]')
    if any(map(is_reserved, names)):
        raise ValueError("must name environments; the database uses one of these names for other things")
    return names


def _numbers(value: Any) -> tuple[str, ...]:
    numbers = tuple(re.sub(r"[\s()-]", "", str(number)) for number in value) if isinstance(value, list) else ("",)
    if not all(_PHONE.fullmatch(number) for number in numbers):
        raise ValueError('must be a list of phone numbers with their country code, such as ["+27820000001"]')
    return tuple("+" + number.removeprefix("+") for number in numbers)


_BRIDGE: Mapping[str, Check] = {
    "messages": _text,
    "whatsapp": _text,
    "account": _text,
    "own_numbers": _numbers,
    "poll_seconds": _seconds,
}
_MONITOR: Mapping[str, Check] = {
    "time_zone": _zone,
    "business": _text,
    "photo_minutes": _minutes,
    "projects": lambda value: value,
    "replies": lambda value: value,
    "sharepoint": lambda value: value,
    "report": lambda value: value,
}
_PROJECT: Mapping[str, Check] = {
    "name": _text,
    "group": _group,
    "kind": _kind,
    "drop_space": _text,
    "validated": yes_or_no,
    "environments": _environments,
    "pattern": _pattern,
    "own_posts_count": yes_or_no,
}
_TOP: Mapping[str, Check] = {name: lambda value: value for name in ("bridge", "monitor", "alerts", "inbox")}
_PROJECTS = "monitor.projects"


class _Reader(Tables):
    """Reads one file and gathers its mistakes."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(text)
        self._path = path
        self._folder = path.parent

    def file(self, tables: dict[str, Any]) -> ProjectsFile:
        parts = self.checked(tables, _TOP, "", 0)
        bridge = self.table(parts, "bridge", _BRIDGE)
        monitor = self.table(parts, "monitor", _MONITOR)
        if "bridge" in parts and "messages" not in bridge:
            self.missing("messages", "bridge", 0)
        for name in ("messages", "whatsapp"):
            if name in bridge:
                bridge[name] = self._folder / Path(bridge[name]).expanduser()
        projects = self._projects(monitor.pop("projects", []))
        replies = replies_file.replies(self, monitor)
        sharepoint = sharepoint_file.sharepoint(self, monitor)
        report = report_file.report(self, monitor)
        alerts = alerts_file.alerts(self, parts)
        bot = inbox_file.bot(self, parts)
        if self.mistakes:
            return ProjectsFile(self._path)
        return ProjectsFile(
            path=self._path,
            bridge=BridgeEntry(**bridge) if bridge else None,
            monitor=MonitorEntry(
                **monitor,
                projects=tuple(ProjectEntry(**project) for project in projects),
                replies=replies,
                sharepoint=sharepoint,
                report=report,
            ),
            alerts=alerts,
            bot=bot,
            silence=inbox_file.silence(parts),
            shows_reading=inbox_file.shows_reading(parts),
        )

    def _projects(self, tables: Any) -> list[dict[str, Any]]:
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self.mistake("projects must be written as [[monitor.projects]].", ("monitor", 0, "projects"))
            return []
        projects = []
        for number, table in enumerate(tables):
            project = self.checked(table, _PROJECT, _PROJECTS, number)
            for key in ("name", "group", "kind"):
                if key not in table:
                    self.missing(key, _PROJECTS, number)
            project.setdefault("drop_space", project.get("name", ""))
            projects.append(project)
        self._refuse_repeats(projects)
        return projects

    def _refuse_repeats(self, projects: list[dict[str, Any]]) -> None:
        for number, project in enumerate(projects):
            for earlier, other in enumerate(projects[:number]):
                shared = set(project.get("environments", ["prod"])) & set(other.get("environments", ["prod"]))
                if "name" in project and project["name"] == other.get("name"):
                    what = f'name "{project["name"]}" is also that of the project in line LINE.'
                    self.mistake(what, (_PROJECTS, number, "name"), (_PROJECTS, earlier, "name"))
                if "group" in project and project["group"] == other.get("group") and shared:
                    what = f"group is also that of the project in line LINE, both in {', '.join(sorted(shared))}."
                    self.mistake(what, (_PROJECTS, number, "group"), (_PROJECTS, earlier, "group"))
