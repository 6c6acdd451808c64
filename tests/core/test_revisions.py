"""What the code says of its revisions is what Alembic would say."""

from __future__ import annotations

from tallybook.core import migrate, revisions


def test_the_names_of_the_files_are_the_revisions_in_their_order() -> None:
    of_alembic = [script.revision for script in reversed(list(migrate.scripts().walk_revisions()))]
    assert revisions.known_revisions() == of_alembic


async def test_a_database_that_is_up_to_date_is_left_alone(fresh_owner_url: str) -> None:
    assert await revisions.migrate(fresh_owner_url, "prod") == []
    assert await revisions.migrate(fresh_owner_url, "dev") == []
    assert await revisions.migrate(fresh_owner_url, "other") == revisions.known_revisions()
