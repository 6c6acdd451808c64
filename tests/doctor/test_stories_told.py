"""The five stories are what they are told to be: this is what PostgreSQL itself says in each state."""

from __future__ import annotations

from typing import NamedTuple

import psycopg
import pytest

from tests.doctor.stories import Home, State

DROPS, SCHEMAS, ROTA = "drop_numbers", "two_schemas", "rota"
UPSERT, MARKS = "session_upsert", "read_marks"
ROTA_PLAIN, ROTA_MEANT = State(ROTA, "after"), State(ROTA, "after_as_meant")


class Said(NamedTuple):
    """A statement tried in a state, and how PostgreSQL refuses it: its code and its words. None where it does not."""

    state: State
    statement: str
    code: str | None = None
    words: str = ""


def doubled(name: str) -> str:
    return f'duplicate key value violates unique constraint "{name}"'


NO_ARBITER = "there is no unique or exclusion constraint matching the ON CONFLICT specification"
POST = "insert into {}qa_photo_reviews (drop_number, project, review_date) values ('{}', '{}', '{}')"
MEMBER = "insert into users (slack_id, name, discipline) values ('U0000001', 'Ana', 'po')"
SPRINT = (
    "insert into sprints (sprint_name, start_date, end_date, sprint_index) values ('x', '2025-10-15', '2025-10-29', 12)"
)
STATE = "insert into current_state (id, sprint_index) values (4, 12)"
STAND_IN = (
    "insert into overrides (sprint_index, role, replacement_slack_id, requested_by, approved) "
    "values (11, 'uiEng', 'U0000005', 'U0000005', true)"
)
ASKED_AGAIN = (
    "insert into overrides (sprint_index, role, replacement_slack_id, requested_by) "
    "values (12, 'po', 'U0000006', 'U0000005')"
)
TALK = "insert into whatsapp_conversation (business_id, canonical_key) values (1, 'phone:1:+972500000001')"
BY_KEY = f"{TALK} on conflict (business_id, canonical_key) do update set is_open = true"
TWICE = (
    "insert into whatsapp_message (business_id, provider_message_id, direction, body) "
    "values (1, 'wamid.A2', 'in', 'And today?')"
)
CLOSED = """
update whatsapp_conversation c set is_open = false where c.id = 1;
alter table whatsapp_conversation add constraint uq_wa_conv_business_canonical unique (business_id, canonical_key)
"""

SAID = (
    # A drop that Velo Test has is refused to Lawley, for ever; after the fix on the same day.
    Said(State(DROPS, "before"), POST.format("", "DR1752104", "Lawley", "2025-11-26"),
         "23505", doubled("qa_photo_reviews_drop_number_key")),
    Said(State(DROPS, "after"), POST.format("", "DR1760003", "Lawley", "2025-12-04")),
    Said(State(DROPS, "after"), POST.format("", "DR1760003", "Lawley", "2025-12-03"),
         "23505", doubled("qa_photo_reviews_drop_number_review_date_key")),
    # What production refuses, dev takes.
    Said(State(SCHEMAS, "before"), POST.format("dev.", "DR1752104", "Velo Test", "2025-11-10"),
         "42P01", 'relation "dev.qa_photo_reviews" does not exist'),
    Said(State(SCHEMAS, "after"), POST.format("public.", "DR1752104", "Lawley", "2025-11-11"),
         "23505", doubled("qa_photo_reviews_drop_number_key")),
    Said(State(SCHEMAS, "after"), POST.format("dev.", "DR1790001", "Velo Test", "2025-11-11")),
    Said(State(SCHEMAS, "after"), POST.format("dev.", "DR1790001", "Lawley", "2025-11-10"),
         "23505", doubled("qa_photo_reviews_drop_number_review_date_key")),
    # The rota: what was too strict, and what the fix left, lost or could not do.
    Said(State(ROTA, "before"), MEMBER, "23505", doubled("users_slack_id_key")),
    Said(ROTA_PLAIN, MEMBER),
    Said(State(ROTA, "before"), STATE,
         "23514", 'new row for relation "current_state" violates check constraint "unique_current_state"'),
    Said(ROTA_PLAIN, STATE),
    Said(State(ROTA, "before"), STAND_IN),
    Said(ROTA_PLAIN, STAND_IN),
    Said(State(ROTA, "before"), ASKED_AGAIN),
    Said(ROTA_PLAIN, ASKED_AGAIN, "23505", doubled("overrides_unique_request")),
    Said(State(ROTA, "before"), "alter table users add constraint if not exists one unique (id)",
         "42601", 'syntax error at or near "not"'),
    Said(State(ROTA, "before"), "alter table sprints drop constraint sprints_sprint_index_key", "2BP01",
         "cannot drop constraint sprints_sprint_index_key on table sprints because other objects depend on it"),
    Said(ROTA_PLAIN, SPRINT, "23505", doubled("sprints_sprint_index_key")),
    Said(ROTA_MEANT, SPRINT, "23505", doubled("idx_sprints_active_unique")),
    Said(ROTA_MEANT, f"{SPRINT} on conflict (sprint_index) do nothing", "42P10", NO_ARBITER),
    Said(ROTA_MEANT, f"{SPRINT} on conflict (sprint_index) where sprint_index is not null do nothing"),
    Said(ROTA_MEANT, "alter table current_state add foreign key (sprint_index) references sprints (sprint_index)",
         "42830", 'there is no unique constraint matching given keys for referenced table "sprints"'),
    # The upsert that has nothing to rely on, whatever was done about it in the code.
    Said(State(UPSERT, "before"), TALK, "23505", doubled("uq_wa_conv_canonical_key")),
    Said(State(UPSERT, "before"), BY_KEY, "42P10", NO_ARBITER),
    Said(State(UPSERT, "after"), BY_KEY, "42P10", NO_ARBITER),
    Said(State(MARKS, "before"), BY_KEY, "42P10", NO_ARBITER),
    Said(State(MARKS, "before"), CLOSED, "23505", 'could not create unique index "uq_wa_conv_business_canonical"'),
    Said(State(MARKS, "after"), BY_KEY),
    Said(State(MARKS, "before"), TWICE),
    Said(State(MARKS, "after"), TWICE),
)  # fmt: skip


@pytest.mark.parametrize("state", sorted({said.state for said in SAID}), ids=str)
async def test_the_server_refuses_what_the_story_says_and_takes_the_rest(stories: Home, state: State) -> None:
    async with stories.opened(state) as conn:
        for said in (one for one in SAID if one.state == state):
            refusal: psycopg.Error | None = None
            try:
                async with conn.transaction(force_rollback=True):
                    await conn.execute(said.statement.encode())
            except psycopg.Error as error:
                refusal = error
            assert (refusal.sqlstate if refusal else None) == said.code, said
            assert said.words in str(refusal), said
