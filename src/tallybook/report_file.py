"""The part of the projects file that says who gets the report of the day, and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from typing import Any

import msgspec

from .alerts_file import address, addresses
from .sharepoint_file import time_of_day
from .toml_tables import Check, Tables

REPORT = "monitor.report"


class ReportEntry(msgspec.Struct, frozen=True):
    """``at`` is by the clocks of the business. Before noon, the report is of the day that has just ended.

    Without ``to`` nobody gets one.
    """

    at: time = time(6)
    to: tuple[str, ...] = ()
    sender: str = ""


_REPORT: Mapping[str, Check] = {"at": time_of_day, "to": addresses, "from": address}


def report(reader: Tables, monitor: dict[str, Any]) -> ReportEntry:
    """What the monitor's table says of the report, which it is taken out of; mistakes are gathered in ``reader``."""
    given = "report" in monitor
    table = monitor.pop("report", {})
    if not isinstance(table, dict):
        reader.mistake(f"report must be a table, written as [{REPORT}].", ("monitor", 0, "report"))
        return ReportEntry()
    found = reader.checked(table, _REPORT, REPORT, 0)
    for key in ("to", "from"):
        if given and key not in table:
            reader.missing(key, REPORT, 0)
    return ReportEntry(found.get("at", ReportEntry().at), found.get("to", ()), found.get("from", ""))
