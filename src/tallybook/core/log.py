"""Logs: one way for our own lines and for every library's, redacted, to standard error and to a file.

    structlog.get_logger().info("Reading the bridge's file", project="Lawley", read=12)
    2025-12-02 11:29:01 - INFO - Reading the bridge's file  project=Lawley read=12

JSON has the text in ``event``. A line that the documents quote has the ``tag`` behind its emoji, and is exact in each
environment.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import logging.handlers
import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

from .errors import WrongSetup
from .redaction import Redactor, suspect

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# Given to Granian, so that its lines pass through ours instead of being printed by a handler of its own.
GRANIAN = {
    "formatters": {},
    "handlers": {},
    "loggers": {name: {"handlers": [], "propagate": True} for name in ("_granian", "granian.access")},
}
# These libraries log whole addresses, with their query, at INFO; Alembic logs what it takes for granted.
_TALKATIVE = ("alembic", "httpx", "httpcore", "slack_sdk", "slack_bolt", "openai", "msal")
# What another handler's formatter may have left on a record, and what only we ourselves use.
_NOT_FIELDS = ("_from_structlog", "stack_info", "message", "asctime")
_LINES_PER_WRITE = 4000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BARE = re.compile(r"[^\s\"'=]+")
_encoder = msgspec.json.Encoder(enc_hook=str)

Format = Literal["plain", "json"]


class _State:
    """What ``configure`` set last; logging belongs to the process, and so does this."""

    format: Format = "plain"
    environment: str = "prod"
    redactor: Redactor = Redactor(os.urandom(32))
    handlers: Sequence[_Stderr | _File] = ()


_state = _State()


def configure(format: Format, file: Path | None, level: str, environment: str, key: bytes | None = None) -> None:  # noqa: A002 - as the setting is called
    """Set up all logging of this process; may be called again. ``key`` makes the hashes that stand for identities.

    Without a key the hashes differ from process to process. Raises WrongSetup where the file cannot be opened.
    """
    _state.format = format
    _state.environment = environment
    _state.redactor = Redactor(key or os.urandom(32))
    handlers: list[_Stderr | _File] = [_Stderr()]
    if file is not None:
        handlers.append(_open(file))
    chain: list[Any] = [structlog.contextvars.merge_contextvars]
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[_render], foreign_pre_chain=[*chain, structlog.stdlib.ExtraAdder()]
    )
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, _Stderr | _File)]:
        root.removeHandler(old)
        with contextlib.suppress(OSError):
            old.close()
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    _state.handlers = handlers
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[*chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught


def tag(environment: str) -> str:
    """What a line of another environment bears before its text, such as ``[DEV] ``; nothing in prod.

    A line that the documents quote has it behind its emoji: ``✅ [DEV] Created …``.
    """
    return "" if environment == "prod" else f"[{environment.upper()}] "


def lines(events: Iterable[str]) -> None:
    """Log many INFO lines at once: one time for all, one write per few thousand.

    Made for a catch-up, which logs one line per review: 200,000 lines take a fraction of a second.
    """
    if not logging.getLogger().isEnabledFor(logging.INFO) or not _state.handlers:
        return
    before, after = _around(logging.INFO)
    iterator = iter(events)
    while some := list(itertools.islice(iterator, _LINES_PER_WRITE)):
        text = before + f"{after}\n{before}".join(_batch(some)) + f"{after}\n"
        for handler in _state.handlers:
            _write(handler, text)


def _batch(events: list[str]) -> list[str]:
    joined = "\n".join(events)
    if not _is_clean(joined, len(events)):
        events = [_one_line(event) for event in events]
    if suspect(joined):
        events = [_state.redactor.text(event) for event in events]
    if _state.environment != "prod":
        events = [_marked(event) for event in events]
    if _state.format == "json":
        return [_to_json(event) for event in events]
    return events


def _around(level: int) -> tuple[str, str]:
    """What stands before and after the text of a line without fields."""
    now = time.time()
    if _state.format == "json":
        name = logging.getLevelName(level)
        return f'{{"timestamp":"{_utc(now)}","level":"{name}","event":', "}"
    return f"{_local(now)} - {logging.getLevelName(level)} - ", ""


def _render(_: WrappedLogger, __: str, event: EventDict) -> str:
    record: logging.LogRecord = event.pop("_record")
    for name in _NOT_FIELDS:
        event.pop(name, None)
    error = _error_of(event.pop("exc_info", None))
    text = _one_line(_marked(_state.redactor.text(str(event.pop("event", "")))))
    fields = _state.redactor.fields(event)
    if error is not None:
        fields["exception"] = _state.redactor.error(error)
    if _state.format == "json":
        head = {"timestamp": _utc(record.created), "level": record.levelname, "event": text}
        if record.name != "root":
            head["logger"] = record.name
        return _to_json(head | {name: value for name, value in fields.items() if name not in head})
    pairs = " ".join(f"{name}={_plain(value)}" for name, value in fields.items())
    line = f"{_local(record.created)} - {record.levelname} - {text}"
    return f"{line}  {pairs}" if pairs else line


def _marked(event: str) -> str:
    """Put ``[DEV]`` before an event, unless only an emoji stands before the one that it has."""
    mark = tag(_state.environment).rstrip()
    if not mark:
        return event
    if event.startswith(mark, 2) and event[1] == " " and not event[0].isalnum():
        return event
    before, found, _ = event[:40].partition(mark)
    if found and not any(character.isalnum() for character in before):
        return event
    return f"{mark} {event}"


def _to_json(value: Any) -> str:
    return _encoder.encode(value).decode()


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else _to_json(value)
    return text if _BARE.fullmatch(text) or not isinstance(value, str) else _to_json(text)


def _is_clean(joined: str, count: int) -> bool:
    return joined.count("\n") < count and _CONTROL.search(joined.replace("\n", "")) is None


def _one_line(text: str) -> str:
    # A line break inside a text would let whoever wrote it forge the next line; a lone surrogate fits into no file.
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _error_of(exc_info: Any) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return sys.exc_info()[1] if exc_info else None


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _local(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


class _Stderr(logging.StreamHandler[Any]):
    def handleError(self, _record: logging.LogRecord | None) -> None:  # noqa: N802 - the base class's name
        """Say nothing: the base class would print the record unredacted, and standard error is what is broken."""


class _File(logging.handlers.WatchedFileHandler):
    def handleError(self, _record: logging.LogRecord | None) -> None:  # noqa: N802 - the base class's name
        """Say that the file fails and why; the line itself went to standard error."""
        sys.stderr.write(f"{_local(time.time())} - ERROR - The log file cannot be written: {sys.exc_info()[1]}\n")


def _write(handler: _Stderr | _File, text: str) -> None:
    """Write whole lines, as the handler's ``emit`` does for one record."""
    handler.acquire()
    try:
        if isinstance(handler, _File):
            handler.reopenIfNeeded()
        if handler.stream is not None:
            handler.stream.write(text)
            handler.flush()
    except (OSError, ValueError):
        handler.handleError(None)
    finally:
        handler.release()


def _open(file: Path) -> _File:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return _File(file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise WrongSetup(f"The log file {file} cannot be opened: {error.strerror}.") from error


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    structlog.get_logger().critical("Stopped by an error that nobody expected", exc_info=error)
