"""The logging of the process, which a test may set up as the product does, put back as it was."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator

import structlog


@contextlib.contextmanager
def as_they_were() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hook = list(root.handlers), root.level, sys.excepthook
    try:
        yield
    finally:
        for handler in [one for one in root.handlers if one not in handlers]:
            root.removeHandler(handler)
            with contextlib.suppress(OSError):
                handler.close()
        root.setLevel(level)
        sys.excepthook = hook
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
