"""The five stories of ``tests/doctor/stories``, before their fix and after it, and what each schema was meant to be.

What was meant is made of the story's own tables, without their rows, so that nothing but the rules differs.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tallybook.doctor.contract import Contract
from tallybook.doctor.contract_file import read
from tallybook.doctor.types import Code

FOLDER = Path(__file__).parents[1] / "tests" / "doctor" / "stories"


POINTS = {(): "before its fix", ("after",): "after it", ("after_as_meant",): "after it, as it was meant"}


class State(NamedTuple):
    """A story at one point, and every fault that is in it then."""

    story: str
    fixes: tuple[str, ...]
    codes: tuple[Code, ...]

    @property
    def what(self) -> str:
        return f"the story of {self.story.replace('_', ' ')}, {POINTS[self.fixes]}"

    @property
    def sql(self) -> str:
        return "".join(_text(self.story, point) for point in ("before", *self.fixes))

    @property
    def meant(self) -> str:
        return _text(self.story, "before") + MEANT[self.story]

    @property
    def contract(self) -> Contract:
        return read(FOLDER / self.story / "contract.toml")

    @property
    def schemas(self) -> list[str]:
        return ["public", "dev"] if self.story == "two_schemas" else ["public"]


def _text(story: str, point: str) -> str:
    return (FOLDER / story / f"{point}.sql").read_text(encoding="utf-8")


BY_SPACE = """
truncate qa_photo_reviews;
alter table qa_photo_reviews drop constraint qa_photo_reviews_drop_number_key,
    drop constraint qa_photo_reviews_drop_number_review_date_key;
create unique index qa_photo_reviews_space_key on qa_photo_reviews (drop_number, review_date,
    (case when project in ('Lawley', 'Mohadin', 'Mamelodi') then 'shared' else project end));
"""
MEANT = {
    "drop_numbers": BY_SPACE,
    "two_schemas": f"{BY_SPACE} create table dev.qa_photo_reviews (like public.qa_photo_reviews including all);",
    "rota": """
        truncate overrides, users, current_state, sprints;
        alter table users drop constraint users_slack_id_key, add unique (slack_id, discipline);
        create unique index overrides_approved_key on overrides (sprint_index, role) where approved;
        create unique index overrides_pending_key on overrides (sprint_index, role, requested_by)
            where not approved and declined_at is null;
        """,
    "session_upsert": """
        truncate whatsapp_message, whatsapp_conversation;
        drop index uq_wa_conv_canonical_key;
        alter table whatsapp_conversation add constraint uq_wa_conv_business_canonical
            unique (business_id, canonical_key);
        """,
    "read_marks": """
        truncate whatsapp_message, whatsapp_conversation;
        alter table whatsapp_conversation add constraint uq_wa_conv_business_canonical
            unique (business_id, canonical_key);
        alter table whatsapp_message add constraint uq_wa_msg_business_provider
            unique (business_id, provider_message_id);
        """,
}
STRICT, UNHELD = (Code.MISSING_KEY, Code.TOO_STRICT), (Code.CONFLICT_WITHOUT_ARBITER, Code.MISSING_KEY)
STATES = (
    State("drop_numbers", (), STRICT),
    State("drop_numbers", ("after",), STRICT),
    State("two_schemas", (), (Code.DRIFT, *STRICT)),
    State("two_schemas", ("after",), (Code.DRIFT, *STRICT)),
    State("rota", (), (Code.CONFLICT_WITHOUT_ARBITER, *STRICT)),
    State("rota", ("after",), (Code.CONFLICT_WITHOUT_ARBITER, Code.LOST_SINGLETON, *STRICT)),
    State("rota", ("after_as_meant",), (Code.CONFLICT_WITHOUT_ARBITER, Code.PARTIAL_ARBITER, *STRICT)),
    State("session_upsert", (), (Code.CONFLICT_WITHOUT_ARBITER, *STRICT)),
    State("session_upsert", ("after",), (Code.CONFLICT_WITHOUT_ARBITER, *STRICT)),
    State("read_marks", (), UNHELD),
    State("read_marks", ("after",), UNHELD),
)
