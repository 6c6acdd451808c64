"""The systemd units call what the command line has, by settings that exist, hardened and in order."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from tallybook.cli import app as command_line
from tallybook.settings import Settings, known_names
from tests.architecture.sources import ROOT

FOLDER = ROOT / "packaging" / "systemd"
SERVICES = sorted(FOLDER.glob("*.service"))
HARDENED = {
    "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
    "PrivateDevices": "yes", "CapabilityBoundingSet": "", "User": "tallybook", "StateDirectoryMode": "0700",
    "SystemCallFilter": "@system-service",
}  # fmt: skip


def read(path: Path) -> configparser.ConfigParser:
    """A unit; of a key that stands several times the values are joined."""
    unit = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    unit.optionxform = str
    text = re.sub(
        r"(?m)^EnvironmentFile=(.*)\n(?:#.*\n)*EnvironmentFile=(.*)$", r"EnvironmentFile=\1 \2", path.read_text()
    )
    unit.read_string(text)
    return unit


def test_there_are_the_three_parts() -> None:
    assert [path.stem for path in SERVICES] == ["tallybook-migrate", "tallybook-web", "tallybook-worker"]


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_unit_calls_a_command_that_exists(path: Path) -> None:
    program, *words = shlex.split(read(path)["Service"]["ExecStart"])
    assert Path(program).name == "tallybook"
    group = typer.main.get_command(command_line)
    command = group.commands[words[0]]
    command.make_context("unit", words[1:], resilient_parsing=False).close()


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_unit_may_do_its_part_and_no_more(path: Path) -> None:
    service = read(path)["Service"]
    assert {name: service.get(name) for name in HARDENED} == HARDENED


def test_web_and_worker_wait_for_the_migrations_which_alone_know_the_owner() -> None:
    for part in ("web", "worker"):
        unit = read(FOLDER / f"tallybook-{part}.service")
        assert unit["Unit"]["Requires"] == unit["Unit"]["After"] == "tallybook-migrate.service"
        assert unit["Service"]["EnvironmentFile"] == "/etc/tallybook/tallybook.env"
        assert unit["Service"]["Restart"] == "always"
        assert unit["Install"]["WantedBy"] == "tallybook.target"
    migrate = read(FOLDER / "tallybook-migrate.service")
    assert migrate["Service"]["Type"] == "oneshot"
    assert migrate["Service"]["ExecStart"].endswith("tallybook migrate --wait"), "at boot the database may be late"
    assert migrate["Service"]["TimeoutStartSec"] == "infinity"
    assert "owner.env" in migrate["Service"]["EnvironmentFile"]
    assert {read(path)["Unit"]["PartOf"] for path in SERVICES} == {"tallybook.target"}


def test_the_settings_of_the_units_exist_and_fit_together(tmp_path: Path) -> None:
    given = {}
    for name in ("tallybook.env", "owner.env"):
        for line in (FOLDER / name).read_text().splitlines():
            if found := re.fullmatch(r"#?(TALLYBOOK_\w+)=(\S+)", line):
                given[found[1]] = found[2]
    assert set(given) <= set(known_names())
    settings = Settings.load(given, tmp_path)
    assert settings.owner_database_url != settings.database_url
    assert "OWNER" not in (FOLDER / "tallybook.env").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_itself_finds_no_fault_in_them(tmp_path: Path) -> None:
    # A unit names a program in a path without spaces; where these tests stand there may be some.
    program = tmp_path / "tallybook"
    program.symlink_to(Path(sys.executable).with_name("tallybook"))
    for path in FOLDER.iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("/usr/local/bin/tallybook", str(program)))
    units = [str(tmp_path / name) for name in ("tallybook.target", *(path.name for path in SERVICES))]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "tallybook" in line]
    assert (done.returncode, ours) == (0, []), done.stderr
