"""What the doctor's last run found, as metrics, in whichever process somebody asks for them."""

from __future__ import annotations

from collections import Counter

from prometheus_client import Gauge

from .doctor_runs import Run

findings = Gauge("tallybook_doctor_findings", "What the doctor's last run found.", ["code", "severity"])
seconds = Gauge("tallybook_doctor_last_run_seconds", "How long the doctor's last run took.")
at = Gauge("tallybook_doctor_last_run_timestamp", "When the doctor last looked, in seconds of 1970.")


def show(run: Run | None) -> None:
    """Has the metrics of this process say what a run found."""
    findings.clear()
    if run is None:
        return
    for (code, severity), count in Counter((one.code, one.severity) for one in run.findings).items():
        findings.labels(code, severity).set(count)
    seconds.set(run.seconds)
    at.set(run.at.timestamp())
