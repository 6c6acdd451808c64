"""A report as JUnit's XML, for continuous integration. As in SARIF, no row of the database is in it."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from .codes import MEANS
from .report import fails, full_name, how_often, worst_first
from .types import Code, Finding, Report, Severity

# XML 1.0 cannot hold these in any form.
NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Nothing was tested there, which is neither good nor bad.
UNTESTED = frozenset({Code.NOT_READ, Code.NOT_LOOKED_AT})


def junit(report: Report, *, fail_on: Severity) -> bytes:
    """A test for each finding, failed where it is at least as bad as ``fail_on``, and one for each code without any.

    What was not looked at is skipped.
    """
    found = {finding.code for finding in report.findings}
    cases = [_case(finding, fail_on) for finding in worst_first(report.findings)]
    cases += [
        ET.Element("testcase", classname="tallybook.doctor", name=code.value, time="0")
        for code in Code
        if code not in found
    ]
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": "0",
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
        "time": f"{report.seconds:.3f}",
    }
    suites = ET.Element("testsuites", {"name": "tallybook doctor", **counts})
    suite = ET.SubElement(suites, "testsuite", {"name": _text(f"tallybook doctor {report.database}"), **counts})
    suite.extend(cases)
    ET.indent(suites)
    written: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _case(finding: Finding, fail_on: Severity) -> ET.Element:
    name = " ".join(part for part in (finding.code.value, finding.name, finding.place) if part)
    case = ET.Element("testcase", classname=_text(full_name(finding)), name=_text(name), time="0")
    if fails(finding, fail_on):
        failure = ET.SubElement(case, "failure", type=finding.code.value, message=_text(finding.says))
        failure.text = _whole(finding)
    elif finding.code in UNTESTED:
        ET.SubElement(case, "skipped", message=_text(finding.says))
    else:
        ET.SubElement(case, "system-out").text = _whole(finding)
    return case


def _whole(finding: Finding) -> str:
    said = [MEANS[finding.code], finding.says, f"Do: {finding.do}"]
    if finding.evidence.times:
        said.insert(2, how_often(finding.evidence))
    return _text("\n".join(said))


def _text(text: str) -> str:
    return NO_XML.sub("·", text)
