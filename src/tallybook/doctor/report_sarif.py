"""A report as SARIF 2.1.0, for code scanning.

No row of the database is in it: such a file is uploaded, and kept by others.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from .codes import MEANS
from .report import full_name, how_often, printable, worst_first
from .types import Code, Finding, Report

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
HELP = "Each code is explained in docs/doctor.md of the doctor."
# ``file:line``, and behind it perhaps why the place could not be read.
PLACE = re.compile(r"(?P<file>.+?):(?P<line>\d+)(?::.*)?", re.DOTALL)


def sarif(report: Report, *, version: str, contract: Path | None, folder: Path) -> bytes:
    """The report as a SARIF log of one run.

    A finding lies at its statement, else at its table in the contract's file; the product's own keys, which stand in
    no file of the reader's, have a logical place alone. Paths are relative to ``folder`` where they lie in it.
    """
    run = {
        "tool": {"driver": {"name": "tallybook doctor", "version": version, "rules": [_rule(code) for code in Code]}},
        "results": _results(worst_first(report.findings), _Places(contract, folder)),
        "columnKind": "unicodeCodePoints",
        "properties": {
            "database": report.database, "schemas": list(report.schemas), "tables": report.tables,
            "keys": report.keys, "upserts": report.upserts, "seconds": report.seconds,
        },
    }  # fmt: skip
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(log), indent=2) + b"\n"


def _rule(code: Code) -> dict[str, Any]:
    return {
        "id": code.value,
        "name": "".join(word.capitalize() for word in code.value.split("-")),
        "shortDescription": {"text": f"{code.value.replace('-', ' ').capitalize()}."},
        "fullDescription": {"text": MEANS[code]},
        "help": {"text": f"{MEANS[code]} {HELP}"},
    }


def _results(findings: Sequence[Finding], places: _Places) -> list[dict[str, Any]]:
    seen: Counter[str] = Counter()
    results = []
    for finding in findings:
        same = fingerprint(finding)
        seen[same] += 1
        said = [finding.says, *([how_often(finding.evidence)] if finding.evidence.times else []), f"Do: {finding.do}"]
        results.append({
            "ruleId": finding.code.value,
            "ruleIndex": list(Code).index(finding.code),
            "level": finding.severity.value,
            "message": {"text": "\n".join(printable(one) for one in said)},
            "locations": [places.of(finding)],
            # GitHub reads this name alone. The number tells apart what is the same twice in one file.
            "partialFingerprints": {"primaryLocationLineHash": f"{same}:{seen[same]}"},
        })  # fmt: skip
    return results


def fingerprint(finding: Finding) -> str:
    """What makes it the same finding in another run: not the line, nor how many rows there are."""
    place = PLACE.fullmatch(finding.place or "")
    file = place["file"] if place else finding.place
    key = finding.key.says if finding.key else ""
    what = (finding.code.value, full_name(finding), finding.name or "", key, file or "")
    return hashlib.sha256("\0".join(what).encode()).hexdigest()[:16]


class _Places:
    """Where findings lie in files. A contract's line is the first on which the table is named."""

    def __init__(self, contract: Path | None, folder: Path) -> None:
        self._contract = contract
        self._folder = folder
        self._lines: dict[str, int] = {}
        for number, line in enumerate(contract.read_text("utf-8").splitlines() if contract else (), 1):
            for name in re.findall(r"[\"']([^\"']+)[\"']", line):
                self._lines.setdefault(name, number)

    def of(self, finding: Finding) -> dict[str, Any]:
        """A SARIF location."""
        location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": full_name(finding), "kind": "table"}]}
        place = PLACE.fullmatch(finding.place) if finding.place else None
        if place:
            location["physicalLocation"] = self._file(Path(place["file"]), int(place["line"]))
        elif self._contract:
            bare = finding.table.rpartition(".")[2]
            line = self._lines.get(finding.table) or self._lines.get(bare) or 1
            location["physicalLocation"] = self._file(self._contract, line)
        return location

    def _file(self, path: Path, line: int) -> dict[str, Any]:
        whole = (self._folder / path).resolve()
        inside = whole.is_relative_to(self._folder.resolve())
        uri = quote(whole.relative_to(self._folder.resolve()).as_posix()) if inside else whole.as_uri()
        return {"artifactLocation": {"uri": uri}, "region": {"startLine": max(line, 1)}}
