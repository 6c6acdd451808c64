"""The map from LIDs to phones that the bridge's library keeps in ``whatsapp.db``.

The file also holds the WhatsApp session's keys. Nothing but the one table is ever read from it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from tallybook.core.errors import SourceUnreadable

from .columns import table
from .snapshot import guarded
from .watch import Token, Watch

LID_PAIRS = "select lid, pn from whatsmeow_lid_map"

_USER = re.compile(r"^[0-9]+")


class LidMap:
    """The LIDs known so far. A map that cannot be read keeps what it knew and says so in ``problem``."""

    def __init__(self, path: Path | None) -> None:
        self.pairs: Mapping[str, str] = {}
        self.problem: str | None = None
        self._watch = Watch(path) if path else None
        self._token: Token | None = None

    def refresh(self) -> Mapping[str, str]:
        """Read the map again if its file changed, and give it: LID digits to phone digits. Blocks; never raises."""
        if self._watch is None:
            return self.pairs
        try:
            token = self._watch.token()
            if token != self._token:
                pairs = guarded(self._watch.path, _pairs)
                # A new mapping only where it differs: whoever holds the old one may go on comparing by identity.
                self.pairs = self.pairs if pairs == self.pairs else pairs
                self._token = token
            self.problem = None
        except SourceUnreadable as error:
            self._token = None
            self.problem = error.message
        return self.pairs

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()


def _pairs(connection: sqlite3.Connection) -> dict[str, str]:
    if not {"lid", "pn"} <= set(table(connection, "whatsmeow_lid_map")):
        raise SourceUnreadable(
            "The bridge's session file has no LID map: senders known by a LID alone stay unresolved for now."
        )
    pairs = {}
    for lid, phone in connection.execute(LID_PAIRS).fetchall():
        lid_digits, phone_digits = _USER.match(str(lid)), _USER.match(str(phone).lstrip("+"))
        if lid_digits and phone_digits:
            pairs[lid_digits.group()] = phone_digits.group()
    return pairs
