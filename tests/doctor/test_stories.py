"""The doctor names the fault of each story, says what its fix left wrong, and is silent about nothing but names."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from tallybook.doctor.catalog_reading import read
from tallybook.doctor.drift import drift
from tallybook.doctor.examining import examine
from tallybook.doctor.types import Finding
from tests.doctor.stories import Home, State

# For each state: severity, code, schema of more than one, table, and the constraint or statement that it is about.
SAID = {
    State("drop_numbers", "before"): """
        error missing-key qa_photo_reviews qa_photo_reviews_space_key
        error too-strict qa_photo_reviews qa_photo_reviews_drop_number_key
        error too-strict qa_photo_reviews qa_photo_reviews_drop_number_review_date_key""",
    State("drop_numbers", "after"): """
        error missing-key qa_photo_reviews qa_photo_reviews_space_key
        error too-strict qa_photo_reviews qa_photo_reviews_drop_number_review_date_key""",
    State("two_schemas", "before"): """
        error missing-key public.qa_photo_reviews qa_photo_reviews_space_key
        error too-strict public.qa_photo_reviews qa_photo_reviews_drop_number_key
        error too-strict public.qa_photo_reviews qa_photo_reviews_drop_number_review_date_key""",
    State("two_schemas", "after"): """
        error missing-key dev.qa_photo_reviews qa_photo_reviews_space_key
        error missing-key public.qa_photo_reviews qa_photo_reviews_space_key
        error too-strict dev.qa_photo_reviews qa_photo_reviews_drop_number_review_date_key
        error too-strict public.qa_photo_reviews qa_photo_reviews_drop_number_key
        error too-strict public.qa_photo_reviews qa_photo_reviews_drop_number_review_date_key""",
    State("rota", "before"): """
        error conflict-without-arbiter overrides repositories/overrides.js:40
        error conflict-without-arbiter users repositories/users.js:31
        error missing-key overrides overrides_approved_key
        error missing-key overrides overrides_pending_key
        error missing-key users
        error too-strict users users_slack_id_key""",
    State("rota", "after"): """
        error conflict-without-arbiter overrides repositories/overrides.js:40
        error lost-singleton current_state
        error missing-key overrides overrides_approved_key
        error missing-key overrides overrides_pending_key
        note redundant-key sprints idx_sprints_active_unique
        warning redundant-key current_state unique_current_state
        warning too-strict overrides overrides_unique_request""",
    State("rota", "after_as_meant"): """
        error conflict-without-arbiter overrides repositories/overrides.js:40
        error conflict-without-arbiter sprints repositories/sprints.js:24
        error conflict-without-arbiter users repositories/users.js:31
        error missing-key overrides overrides_approved_key
        error missing-key overrides overrides_pending_key
        error missing-key users
        error partial-arbiter sprints idx_sprints_active_unique
        error too-strict users users_slack_id_key""",
    State("session_upsert", "before"): """
        error conflict-without-arbiter whatsapp_conversation server/services/whatsapp_session_service.py:88
        error missing-key whatsapp_conversation uq_wa_conv_business_canonical
        error too-strict whatsapp_conversation uq_wa_conv_canonical_key""",
    State("session_upsert", "after"): """
        error conflict-without-arbiter whatsapp_conversation server/services/whatsapp_session_service.py:88
        error missing-key whatsapp_conversation uq_wa_conv_business_canonical
        error too-strict whatsapp_conversation uq_wa_conv_canonical_key""",
    State("read_marks", "before"): """
        error conflict-without-arbiter whatsapp_conversation server/services/whatsapp_session_service.py:88
        error conflict-without-arbiter whatsapp_message server/routes_whatsapp.py:140
        error missing-key whatsapp_conversation uq_wa_conv_business_canonical
        error missing-key whatsapp_message uq_wa_msg_business_provider""",
    State("read_marks", "after"): """
        error conflict-without-arbiter whatsapp_message server/routes_whatsapp.py:140
        error missing-key whatsapp_message uq_wa_msg_business_provider""",
}
RENAMED = """
do $$ declare one record; begin
    for one in
        select conrelid::regclass as of, quote_ident(conname) as name, oid from pg_constraint
        where connamespace in ('public'::regnamespace, to_regnamespace('dev')) and contype in ('p', 'u', 'x', 'f', 'c')
    loop execute format('alter table %s rename constraint %s to other_%s', one.of, one.name, one.oid);
    end loop;
    for one in
        select x.indexrelid::regclass as of, x.indexrelid as oid from pg_index x join pg_class c on c.oid = x.indexrelid
        where c.relnamespace in ('public'::regnamespace, to_regnamespace('dev')) and c.relname not like 'other%%'
    loop execute format('alter index %s rename to other_%s', one.of, one.oid);
    end loop;
end $$
""".replace("%%", "%")


def lines(findings: Iterable[Finding], *, names: bool = True) -> list[str]:
    """Each finding on a line, in alphabetical order."""
    return sorted(
        " ".join(
            [one.severity, one.code, f"{one.schema}.{one.table}" if one.schema not in {"", "public"} else one.table]
            + ([one.place or one.name or ""] if names else [])
        ).strip()
        for one in findings
    )


@pytest.mark.parametrize("state", SAID, ids=str)
async def test_the_doctor_says_what_is_wrong_before_and_after_the_fix(stories: Home, state: State) -> None:
    async with stories.opened(state) as conn:
        report = await examine(conn, state.contract, state.schemas)
    assert lines(report.findings) == [line.strip().replace("public.", "") for line in SAID[state].strip().splitlines()]
    assert not report.healthy


async def said_of(home: Home, state: State) -> dict[tuple[str, str | None], Finding]:
    async with home.opened(state) as conn:
        report = await examine(conn, state.contract, state.schemas)
    return {(one.code, one.name): one for one in report.findings}


async def test_it_says_what_the_key_that_was_kept_still_refuses(stories: Home) -> None:
    """The drop of Velo Test and the same drop in Lawley, on one day."""
    before, after = [await said_of(stories, State("drop_numbers", point)) for point in ("before", "after")]
    kept = ("too-strict", "qa_photo_reviews_drop_number_review_date_key")
    assert "may come again with another project" in after[kept].says
    assert after[kept].evidence.error == f'duplicate key value violates unique constraint "{kept[1]}"'
    (missing,) = [one for (code, _), one in before.items() if code == "missing-key"]
    assert "only qa_photo_reviews_drop_number_key, which refuses more than the rule" in missing.says


async def test_it_shows_the_rows_that_stand_against_each_other(stories: Home) -> None:
    rota, marks = await said_of(stories, State("rota", "after")), await said_of(stories, State("read_marks", "before"))
    approved = rota["missing-key", "overrides_approved_key"].evidence
    assert approved.groups == 1
    merging = "tallybook doctor repair --schema public --table overrides --key overrides_approved_key merges these rows"
    assert rota["missing-key", "overrides_approved_key"].do.startswith(merging)
    assert "--table current_state --key one-row" in rota["lost-singleton", None].do
    assert {row["replacement_slack_id"] for row in approved.rows} == {"U0000002", "U0000003"}
    assert {row["id"] for row in rota["lost-singleton", None].evidence.rows} == {1, 2, 3}
    threads = marks["missing-key", "uq_wa_conv_business_canonical"].evidence
    assert ([row["id"] for row in threads.rows], threads.groups) == ([1, 2], 1)
    assert marks["missing-key", "uq_wa_msg_business_provider"].evidence.groups == 1


def turned(statements: str) -> str:
    """The same schema, with the columns of its tables and of its keys in the opposite order."""

    def of_table(found: re.Match[str]) -> str:
        parts = [part.strip() for part in found[2].split(",\n")]
        columns = [part for part in parts if not part.startswith(("constraint", "unique"))]
        rest = [part for part in parts if part not in columns]
        return found[1] + ",\n".join([*reversed(columns), *rest]) + found[3]

    def of_key(found: re.Match[str]) -> str:
        return f"{found[1]}({', '.join(reversed(found[2].split(', ')))})"

    whole = re.sub(r"(create table [^;]*?\(\n)(.*?)(\n\);)", of_table, statements, flags=re.DOTALL)
    return re.sub(r"(unique |unique index \w+ on \w+ )\(([\w, ]+)\)", of_key, whole)


@pytest.mark.parametrize("state", SAID, ids=str)
async def test_neither_names_nor_the_order_of_columns_change_what_it_says(stories: Home, state: State) -> None:
    contract = state.contract
    async with stories.opened(state) as conn:
        before = await examine(conn, contract, state.schemas)
    assert turned(state.statements) != state.statements
    async with stories.opened(state, RENAMED, told=turned(state.statements)) as conn:
        after = await examine(conn, contract, state.schemas)
    assert lines(after.findings, names=False) == lines(before.findings, names=False)
    assert {one.name for one in after.findings}.isdisjoint({"users_slack_id_key", "uq_wa_conv_canonical_key"})


async def test_it_tells_in_what_the_two_schemas_differ(stories: Home) -> None:
    names = ("public", "dev")
    async with stories.opened(State("two_schemas", "before")) as conn:
        before = drift(await read(conn, ["public"]), await read(conn, ["dev"]), names=names)
    async with stories.opened(State("two_schemas", "after")) as conn:
        after = drift(await read(conn, ["public"]), await read(conn, ["dev"]), names=names)
    assert [one.says for one in before] == [
        "The table qa_photo_reviews is in public and not in dev: whatever writes it there fails."
    ]
    assert [(one.table, one.name) for one in after] == [("qa_photo_reviews", "qa_photo_reviews_drop_number_key")]


async def test_schemas_that_differ_in_names_and_in_the_order_of_columns_do_not_differ(stories: Home) -> None:
    state = State("two_schemas", "after")
    other = turned(state.statements.replace("dev.", "there.").replace("schema dev", "schema there"))
    other = re.sub(
        r"create table public\..*?\);|insert into public.*?;|delete from public.*?;", "", other, flags=re.DOTALL
    )
    async with stories.opened(state, re.sub(r"insert into there.*?;", "", other, flags=re.DOTALL)) as conn:
        dev, there = await read(conn, ["dev"]), await read(conn, ["there"])
        assert dev.tables[0].columns != there.tables[0].columns
        assert drift(dev, there, names=("dev", "there")) == ()
