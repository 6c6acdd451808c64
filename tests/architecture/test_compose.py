from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from tallybook.cli import app as command_line
from tallybook.settings import known_names

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return composed["services"]


@pytest.mark.parametrize("service", ["web", "worker"])
def test_nothing_of_a_release_starts_before_its_migrations_are_through(service: str, services: dict[str, Any]) -> None:
    assert services[service]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert services[service]["restart"] == "unless-stopped"


def test_migrations_run_once_and_only_they_get_the_owners_password(services: dict[str, Any]) -> None:
    assert services["migrate"]["command"] == ["env", "create", "prod"]
    assert services["migrate"]["restart"] == "no"
    assert services["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    owners = {name for name, service in services.items() if "OWNER" in str(service.get("environment"))}
    assert owners == {"database", "migrate"}


def test_the_database_is_not_reachable_from_outside(services: dict[str, Any]) -> None:
    assert "ports" not in services["database"]
    assert all(port.startswith("127.0.0.1:") for port in services["web"]["ports"])


def test_the_image_runs_as_an_ordinary_account_and_says_how_it_is() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "USER tallybook" in lines[[n for n, line in enumerate(lines) if line.startswith("FROM")][-1] :]
    assert any(line.startswith("HEALTHCHECK") and "health" in line for line in lines)


@pytest.mark.parametrize("service", ["migrate", "web", "worker"])
def test_every_service_calls_a_command_that_exists_by_settings_that_exist(
    service: str, services: dict[str, Any]
) -> None:
    command: Any = typer.main.get_command(command_line)
    words = list(services[service]["command"])
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    command.make_context("compose", words, resilient_parsing=False).close()
    given = {name for name in services[service]["environment"] if name.startswith("TALLYBOOK_")}
    assert given <= set(known_names())
    assert "TALLYBOOK_DATABASE_URL" in given
