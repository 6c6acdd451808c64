"""At the terminal a business gets a number; its token is read from a file or asked for, sealed, and never shown."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tallybook.core import channel_accounts, receive
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.receive import Received
from tallybook.core.sealing import Seal
from tallybook.settings import Settings
from tests import world
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.bodies import NUMBER, WABA
from tests.cli.test_parked import Terminal
from tests.core.worked import rows

# Of the right shape, and nobody's.
TOKEN = "EAAG-example-token-of-the-tests"
OLD, NEW = "o" * 40, "n" * 40


@pytest.fixture
def terminal(fresh_url: str, tmp_path: Path) -> Terminal:
    return Terminal(fresh_url, tmp_path / "data")


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n", encoding="utf-8")
    return str(path)


def adding(token_file: str, *more: str) -> list[str]:
    return ["channel", "add", "whatsapp", "--phone-number-id", NUMBER, "--token-file", token_file, *more]


async def test_a_number_is_added_with_its_token_and_what_came_before_waits_again(
    fresh_db: Database, business: Business, terminal: Terminal, token_file: str
) -> None:
    early = [Received("whatsapp", bodies.said(bodies.text()), datetime.now(UTC))]
    await fresh_db.run("store", lambda conn: receive.store(conn, early))
    parked = "update deliveries set state = 'parked', reason = 'no business has the account that it came for'"
    await fresh_db.run("park", lambda conn: conn.execute(parked.encode()))
    assert terminal("channel", "list") == (0, "No number is added yet.\n")
    code, said = terminal(*adding(token_file, "--label", "Front desk", "--waba-id", WABA))
    assert code == 0, said
    assert f"{NUMBER} is added." in said
    assert f"waba:{WABA} is added." in said
    assert "Deliveries that came for nobody and wait again: 1." in said
    assert "TALLYBOOK_WHATSAPP_APP_SECRET is not set here. Its webhooks are refused unless" in said
    listed = terminal("channel", "list")[1]
    assert "…" not in listed, "no number is cut off, however narrow the terminal"
    assert await rows(fresh_db, "select state from deliveries") == [("waiting",)]
    code, listed = terminal("channel", "list", "--json")
    assert [(one["account"], one["has_token"], one["label"]) for one in json.loads(listed)] == [
        (NUMBER, True, "Front desk"), (f"waba:{WABA}", False, "Front desk"),
    ]  # fmt: skip
    assert TOKEN not in said + listed
    kept = await rows(fresh_db, "select token_sealed from channel_accounts where token_sealed is not null")
    assert TOKEN.encode() not in bytes(kept[0][0])
    assert TOKEN not in str(await rows(fresh_db, "select after from audit_log"))
    seal = Seal(Settings.load(terminal.settings).secret_keys())
    opened = await fresh_db.run(
        "open", lambda conn: channel_accounts.token(conn, seal, business.id, "whatsapp", NUMBER)
    )
    assert opened == TOKEN


async def test_a_token_is_sealed_anew_with_the_newest_key(
    fresh_db: Database, business: Business, terminal: Terminal, token_file: str
) -> None:
    terminal.settings["TALLYBOOK_SECRET_KEY"] = OLD
    assert terminal(*adding(token_file))[0] == 0
    terminal.settings["TALLYBOOK_SECRET_KEY"] = NEW
    code, said = terminal("channel", "reseal")
    assert (code, "TALLYBOOK_SECRET_KEY" in said) == (1, True), "without the older key nothing is changed"
    terminal.settings["TALLYBOOK_SECRET_KEY"] = f"{NEW},{OLD}"
    assert terminal("channel", "reseal") == (0, "Secrets sealed with the newest key: 1.\n")
    seal = Seal(Settings.load(terminal.settings | {"TALLYBOOK_SECRET_KEY": NEW}).secret_keys())
    opened = await fresh_db.run(
        "open", lambda conn: channel_accounts.token(conn, seal, business.id, "whatsapp", NUMBER)
    )
    assert opened == TOKEN


async def test_a_number_that_is_slower_or_faster_than_others_is_given_its_own_pace(
    fresh_db: Database, business: Business, terminal: Terminal, token_file: str
) -> None:
    assert terminal(*adding(token_file, "--per-second", "20"))[0] == 0
    assert terminal(*adding(token_file))[0] == 0
    listed = json.loads(terminal("channel", "list", "--json")[1])
    assert {one["account"]: one["per_second"] for one in listed}[NUMBER] == 20
    assert terminal(*adding(token_file, "--per-second", "0"))[0] == 2


async def test_a_number_of_another_business_is_refused_and_adding_it_again_changes_its_token(
    fresh_db: Database, business: Business, terminal: Terminal, token_file: str
) -> None:
    await fresh_db.run("add business", world.kinneret_tours)
    code, said = terminal(*adding(token_file))
    assert (code, "several businesses" in said) == (1, True)
    assert terminal(*adding(token_file, "--business", "Velo Fibre"))[0] == 0
    assert "is changed" in terminal(*adding(token_file, "--business", "Velo Fibre"))[1]
    code, said = terminal(*adding(token_file, "--business", "Kinneret Tours"))
    assert (code, "belongs to another business" in said) == (1, True)


async def test_a_token_is_no_argument_and_nobody_to_ask_is_told(business: Business, terminal: Terminal) -> None:
    code, said = terminal("channel", "add", "whatsapp", "--phone-number-id", NUMBER, "--token", TOKEN)
    assert code == 2
    assert not sys.stdin.isatty() or "No such option" in said
    code, said = terminal("channel", "add", "whatsapp", "--phone-number-id", NUMBER)
    assert (code, "--token-file" in said) == (2, True)


async def test_a_gateway_s_number_is_added_by_the_gateway_s_own_name(
    fresh_db: Database, business: Business, terminal: Terminal
) -> None:
    terminal.settings["TALLYBOOK_GATEWAY_SECRET"] = "s" * 32
    assert terminal("channel", "add", "gateway", "--account", "front-desk") == (0, "front-desk is added.\n")


async def test_a_workspace_on_slack_is_added_by_its_id_and_may_use_the_token_of_the_settings(
    fresh_db: Database, business: Business, terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "none").touch()
    none = str(tmp_path / "none")
    code, said = terminal("channel", "add", "slack", "--team-id", "T0123ABCD", "--token-file", none)
    assert (code, "T0123ABCD is added." in said) == (0, True)
    assert "TALLYBOOK_SLACK_SIGNING_SECRET is not set here. Its webhooks are refused unless" in said
    kept = "select channel, account, token_sealed is null from channel_accounts"
    assert await rows(fresh_db, kept) == [("slack", "T0123ABCD", True)]
