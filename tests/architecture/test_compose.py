from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from tallybook import customer_files, photo_link
from tallybook.cli import app as command_line
from tallybook.settings import Settings, known_names

ROOT = Path(__file__).parents[2]
DATA = "/var/lib/tallybook/data"


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


def mounted(service: dict[str, Any], path: Path) -> str:
    """What a service has at a path: the source of the volume nearest to it."""
    volumes = dict(reversed(volume.split(":")[:2]) for volume in service["volumes"])
    return str(volumes[next(str(one) for one in (path, *path.parents) if str(one) in volumes)])


def test_files_that_one_service_writes_and_the_other_reads_are_in_one_volume(services: dict[str, Any]) -> None:
    settings = Settings.load({"TALLYBOOK_DATA_DIR": DATA}, ROOT)
    web, worker = services["web"], services["worker"]
    made = next(line for line in (ROOT / "Dockerfile").read_text().splitlines() if "mkdir" in line)
    shared = [customer_files.folder(settings), photo_link.folder(settings)]
    assert [mounted(web, folder) for folder in shared] == [mounted(worker, folder) for folder in shared]
    for folder in shared:
        owner = folder.parent if folder.name == settings.env else folder
        assert str(owner) in made.split(), "a volume is root's where the image has no folder for it"
    assert mounted(web, settings.spool_dir) != mounted(worker, settings.spool_dir)


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
