"""Benchmarks: they live beside the source tree, since they measure it and are no part of the product."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tallybook.core.errors import WrongSetup

FOLDER = Path(__file__).parents[3] / "bench"


class Part(StrEnum):
    """What can be measured by itself."""

    MONITOR = "monitor"
    DOOR = "door"
    INBOX = "inbox"
    ROTA = "rota"
    DOCTOR = "doctor"


def bench(
    parts: Annotated[list[Part] | None, typer.Argument(help="monitor, door, inbox, rota, doctor; all if none.")] = None,
    messages: Annotated[int, typer.Option(help="How many messages the bridge's file holds.", min=2_000)] = 1_000_000,
    reviews: Annotated[int, typer.Option(help="How many reviews lie behind the pages.", min=1_000)] = 1_000_000,
    webhooks: Annotated[int, typer.Option(help="How many webhooks are sent.", min=1_000)] = 100_000,
    talks: Annotated[int, typer.Option(help="Messages in the inbox.", min=50_000)] = 10_000_000,
    rota: Annotated[int, typer.Option(help="Rotations of the rota.", min=10)] = 1_000,
    tables: Annotated[int, typer.Option(help="Tables that the doctor looks at.", min=10)] = 500,
    rounds: Annotated[int, typer.Option(help="How often; the best counts.", min=1)] = 1,
    report: Annotated[bool, typer.Option("--report", help="Write bench/reports/PART.md.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say it as JSON.")] = False,
) -> None:
    """Measure speed, each figure beside a baseline of the same run. Takes some minutes at full size.

    It starts a database of its own, and so takes no --env.
    """
    script = FOLDER / "run.py"
    if not script.is_file():
        raise WrongSetup(f"The benchmarks are in the source tree, and there is no {script}: run this from a checkout.")
    command = [sys.executable, str(script), *(parts or []), "--messages", str(messages), "--reviews", str(reviews)]
    command += ["--webhooks", str(webhooks), "--talks", str(talks), "--rota", str(rota), "--tables", str(tables)]
    command += ["--rounds", str(rounds)]
    command += ["--report"] * report + ["--json"] * as_json
    raise typer.Exit(subprocess.run(command, check=False).returncode)
