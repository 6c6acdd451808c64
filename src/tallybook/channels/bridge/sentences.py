"""What is wrong with a bridge's file, said so that somebody can mend it. Pure."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_MAGIC = b"SQLite format 3\0"
_HEADER = 100  # bytes that begin every SQLite file
_PAGE = 512

LOCKED = "{path} is locked by another program. It is tried again at every poll."
MALFORMED = (
    "{path} is damaged or cut short (a copy that did not finish, or a full disk). "
    "Restore it, or let the bridge write a new one."
)
ENCRYPTED = "{path} cannot be read as a SQLite file; it looks encrypted. Give the path of the bridge's plain file."
NOT_A_DATABASE = "{path} is not a SQLite file. Give the path of the bridge's own file."
EMPTY = "{path} is empty: the bridge has not written to it yet."
MISSING = "There is no file {path}. Is the path right, and has the bridge been started?"
FORBIDDEN = "This user has no permission to read {path}. Give it read access to the file and its directory."
HALF_WRITTEN = "The bridge stopped in the middle of writing {path} just now. It is tried again at every poll."
NOT_OURS_TO_MEND = (
    "The bridge stopped in the middle of writing {path}, and this user may not mend the file. "
    "Start the bridge again: it mends the file itself."
)

_BY_NAME = {
    "SQLITE_BUSY": LOCKED,
    "SQLITE_LOCKED": LOCKED,
    "SQLITE_PROTOCOL": LOCKED,
    "SQLITE_CORRUPT": MALFORMED,
    "SQLITE_NOTADB": NOT_A_DATABASE,
    "SQLITE_PERM": FORBIDDEN,
    "SQLITE_CANTOPEN": FORBIDDEN,
    "SQLITE_READONLY": FORBIDDEN,
    "SQLITE_AUTH": FORBIDDEN,
}


def sentence(path: Path, error: Exception) -> str:
    """Say what an error of the system or of SQLite means for the file ``path``."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return MISSING.format(path=path)
    if isinstance(error, PermissionError):
        return FORBIDDEN.format(path=path)
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", "")
        family = "_".join(name.split("_")[:2])  # SQLITE_BUSY_RECOVERY is of the family SQLITE_BUSY
        return _BY_NAME.get(family, f"{{path}} cannot be read: {error}.").format(path=path)
    return f"{path} cannot be read: {error}."


def looks_wrong(path: Path, header: bytes, size: int) -> str | None:
    """Say what is wrong with a file that begins with ``header``; None where it begins as a SQLite file does."""
    if size == 0:
        return EMPTY.format(path=path)
    if header[:16] == _MAGIC:
        return MALFORMED.format(path=path) if len(header) < _HEADER else None
    # An encrypted file is whole pages of noise; anything else that is no SQLite file is most often a text or an image.
    noise = size % _PAGE == 0 and not header[:16].isascii()
    return (ENCRYPTED if noise else NOT_A_DATABASE).format(path=path)
