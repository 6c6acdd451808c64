"""The schema: migrated once however many come, never older or newer than the code, and never without a key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tallybook.core.revisions import known_revisions
from tests.postgres import APP, OWNER, Server
from tests.proof.product import Product, Running

MANY = 10
# A key of each fault: what is done to it, and what start-up says of it.
FAULTS = {
    "messages_natural_key": (
        "alter table messages drop constraint messages_natural_key",
        r"on messages \(.*\) is missing",
    ),
    "qa_photo_reviews_drop_key": (
        """alter table qa_photo_reviews drop constraint qa_photo_reviews_drop_key,
        add constraint qa_photo_reviews_drop_key unique (business_id, space, drop_number, review_date) deferrable""",
        r"on qa_photo_reviews \(.*\) is unusable: qa_photo_reviews_drop_key is deferrable, so .* on it",
    ),
    "marketing_activations_drop_key": (
        """alter table marketing_activations drop constraint marketing_activations_drop_key;
        create unique index marketing_activations_drop_key on marketing_activations (business_id, project, drop_number)
        where is_valid""",
        r"on marketing_activations \(.*\) is unusable: marketing_activations_drop_key covers only some of the rows",
    ),
    "outbox_dedup_key": (
        """alter table outbox drop constraint outbox_dedup_key;
        create unique index outbox_dedup_key on outbox (business_id, channel, dedup_key);
        update pg_index set indisvalid = false where indexrelid = 'outbox_dedup_key'::regclass""",
        r"on outbox \(.*\) is unusable: its index outbox_dedup_key is invalid",
    ),
    "drops_pkey": (
        "alter table drops drop constraint drops_pkey cascade; create unique index drops_pkey on drops (drop_number)",
        r"on drops \(.*\) is missing",
    ),
}


@pytest.fixture
def empty_name(postgres: Server, worker_database: str) -> Iterator[str]:
    name = f"{worker_database}_empty"
    postgres.run(f"create database {name} owner {OWNER}")
    yield name
    postgres.drop(name)


def ended(running: Running) -> str:
    """What a command that must fail said."""
    assert running.process.wait(120) == 1, running.said
    return running.said


def test_ten_processes_that_migrate_an_empty_database_at_once_migrate_it_once(
    empty_name: str, postgres: Server, open_product: Callable[..., Product]
) -> None:
    url = postgres.url(OWNER, empty_name)
    said = open_product(database_url=url).run_many(MANY, "migrate")
    assert sorted(re.findall(r"(\d+) migrations applied", said)) == ["0"] * (MANY - 1) + [str(len(known_revisions()))]
    with psycopg.connect(url) as connection:
        assert connection.execute("select version_num from alembic_version").fetchall() == [(known_revisions()[-1],)]


def test_a_database_that_is_newer_than_the_program_is_refused_by_all_parts(
    product: Product, fresh_owner_url: str
) -> None:
    with psycopg.connect(fresh_owner_url) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    refused = [product.start(part) for part in ("migrate", "serve", "work")]
    for one in refused:
        assert "The database is at revision 9999, which this release does not know: it is newer than the program." in (
            re.sub(r"\s+", " ", ended(one))
        )


def test_a_database_without_its_tables_is_refused_with_the_command_that_makes_them(
    empty_name: str, postgres: Server, open_product: Callable[..., Product]
) -> None:
    refused = open_product(database_url=postgres.url(OWNER, empty_name)).start("work")
    assert "run tallybook migrate" in re.sub(r"\s+", " ", ended(refused))


def test_keys_that_are_missing_or_unusable_are_named_with_the_command_that_mends_them(
    product: Product, fresh_name: str, postgres: Server
) -> None:
    superuser_url = postgres.url("postgres", fresh_name)
    with psycopg.connect(superuser_url) as connection:
        connection.execute(f"set role {OWNER}")
        for damage, _ in FAULTS.values():
            for statement in damage.split(";"):
                connection.execute("reset role" if "pg_index" in statement else f"set role {OWNER}")
                connection.execute(statement.encode())
    parts = [product.start("serve"), product.start("work")]
    for part in parts:
        said = re.sub(r"\s+", " ", ended(part))
        for key, (_, sentence) in FAULTS.items():
            assert re.search(rf"The key {key} {sentence}; without it, ", said), said
    commands = re.findall(r"Mend it with: (.*?;)(?= The key|$)", re.sub(r"\s+", " ", parts[0].said.strip()))
    assert len(commands) == len(FAULTS)
    with psycopg.connect(postgres.url(OWNER, fresh_name)) as connection:
        for command in commands:
            connection.execute(command.encode())
    product.settings["database_url"] = postgres.url(APP, fresh_name)
    serving = product.start("serve")
    serving.hears("Started worker-1")
    assert serving.stop() == 0
