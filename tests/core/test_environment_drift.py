"""Differences of two schemas are told in sentences; what is harmless is not told at all."""

from __future__ import annotations

import psycopg
import pytest

from tallybook.core.environment_catalogue import facts, functions
from tallybook.core.environment_drift import drift, drift_of_functions
from tallybook.core.environment_reading import look_into, one_moment


async def found(owner_url: str, *changes: str) -> list[str]:
    """The drift after somebody has changed dev."""
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as conn:
        await conn.execute("set search_path to dev, extensions")
        for change in changes:
            await conn.execute(change.encode())
    async with one_moment(owner_url) as conn:
        production, made = await facts(conn), await functions(conn)
        await look_into(conn, "dev")
        return drift(production, await facts(conn), "dev") + drift_of_functions(made, await functions(conn), "dev")


async def test_two_environments_of_one_release_do_not_differ(fresh_owner_url: str) -> None:
    assert await found(fresh_owner_url) == []


DRIFTED = {
    "the key that lost four drops": (
        ("alter table qa_photo_reviews add constraint old_key unique (drop_number)",),
        ("In dev there may be one row of qa_photo_reviews per (drop_number), by old_key, which production does not ask "
        "for: dev refuses what production takes."),
    ),
    "a key that is gone": (
        ("alter table qa_photo_reviews drop constraint qa_photo_reviews_drop_key",),
        ("Production allows one row of qa_photo_reviews per (business_id, space, drop_number, review_date); dev does "
        "not hold to it, so that reviews of one drop, in one drop space, on one date may be counted twice there."),
    ),
    "a key that cannot be relied on": (
        (
            "alter table drops drop constraint drops_pkey cascade",
            ("alter table drops add constraint drops_pkey primary key (business_id, space, drop_number) "
            "deferrable initially deferred"),
        ),
        ("Production allows one row of drops per (business_id, space, drop_number); dev does not hold to it, so that "
        "one drop in its drop space may be counted twice there."),
    ),
    "columns in another order": (
        (
            "alter table valid_drop_numbers drop column sync_source",
            "alter table valid_drop_numbers add column sync_source text not null default 'sharepoint_hld_home'",
        ),
        ("The columns of valid_drop_numbers stand in another order in dev, from sync_source on, where dev has "
        "sync_timestamp: INSERT … SELECT * between them would put values into the wrong columns."),
    ),
    "a column too few": (
        ("alter table qa_photo_reviews drop column bridge_source",),
        "The column qa_photo_reviews.bridge_source is missing in dev.",
    ),
    "a column too many": (
        ("alter table drops add column note text",), "The column drops.note is in dev alone.",
    ),
    "a narrower column": (
        ("alter table marketing_activations alter column drop_number type varchar(10)",),
        ("The column marketing_activations.drop_number is character varying(20) in production and character "
        "varying(10) in dev."),
    ),
    "a column that must be filled": (
        ("alter table qa_photo_reviews alter column project set not null",),
        "The column qa_photo_reviews.project must be filled in dev alone.",
    ),
    "another default": (
        ("alter table qa_photo_reviews alter column outstanding_photos set default 14",),
        "The column qa_photo_reviews.outstanding_photos has the default 12 in production and 14 in dev.",
    ),
    "a check": (
        ("alter table qa_submissions add constraint mine check (drop_number like 'DR%')",),
        ("In dev qa_submissions is held to mine, CHECK (((drop_number)::text ~~ 'DR%'::text)), and in production it is "
        "not."),
    ),
    "a check that old rows escaped": (
        (
            "alter table qa_submissions drop constraint qa_submissions_effect_known",
            ("alter table qa_submissions add constraint qa_submissions_effect_known "
            "check (effect in ('created', 'resubmitted', 'history')) not valid"),
        ),
        "In dev the rows that qa_submissions had were never held to qa_submissions_effect_known",
    ),
    "an index": (
        ("drop index qa_photo_reviews_by_message",),
        ("The index qa_photo_reviews_by_message on qa_photo_reviews (business_id, whatsapp_message_date, id) is "
        "missing in dev, which is slower for it."),
    ),
    "a trigger": (
        ("drop trigger qa_photo_reviews_fill_space on qa_photo_reviews",),
        "The trigger qa_photo_reviews_fill_space on qa_photo_reviews does not fire in dev.",
    ),
    "a trigger of another condition": (
        (
            "drop trigger qa_photo_reviews_fill_space on qa_photo_reviews",
            ("create trigger qa_photo_reviews_fill_space after insert on qa_photo_reviews "
            "for each row execute function fill_drop_space()"),
        ),
        "The trigger qa_photo_reviews_fill_space on qa_photo_reviews does something else in dev than in production.",
    ),
    "a trigger's function": (
        ("create or replace function fill_drop_space() returns trigger language plpgsql as 'begin return new; end'",),
        "The trigger qa_photo_reviews_fill_space on qa_photo_reviews does something else in dev than in production.",
    ),
    "a function": (
        ("create or replace function only_business() returns int language sql stable as 'select 1'",),
        "The function only_business() does something else in dev than in production.",
    ),
    "numbers that nobody may give": (
        ("alter table marketing_activations alter column id set generated always",),
        "The column marketing_activations.id has the default identity in production and identity, always in dev.",
    ),
    "another collation": (
        ('alter table qa_photo_reviews alter column drop_number type varchar(50) collate "C"',),
        "The column qa_photo_reviews.drop_number has the collation default in production and C in dev.",
    ),
    "row security": (
        ("alter table messages enable row level security",),
        "In dev alone row security decides who sees which row of messages.",
    ),
    "a rule that swallows rows": (
        ("create rule nothing as on insert to drops do instead nothing",),
        "The rule nothing makes something else of what is written to drops in dev than in production.",
    ),
    "a right that was taken away": (
        ("revoke insert on drops from tallybook_dev",),
        "The role of dev has no right to insert on drops, as production's has. Mend it with: tallybook env create dev",
    ),
    "a table": (("drop table marketing_posts",), "The table marketing_posts is missing in dev."),
}  # fmt: skip


@pytest.mark.parametrize("what", DRIFTED)
async def test_a_difference_is_named_with_what_comes_of_it(fresh_owner_url: str, what: str) -> None:
    changes, sentence = DRIFTED[what]
    told = await found(fresh_owner_url, *changes)
    assert [one for one in told if one.startswith(sentence)], told


HARMLESS = {
    "another name of a key": ("alter table drops rename constraint drops_pkey to one_drop",),
    "a key as an index, its columns in another order": (
        "alter table qa_photo_reviews drop constraint qa_photo_reviews_drop_key",
        "create unique index my_own on qa_photo_reviews (drop_number, review_date, business_id, space)",
    ),
    "an index of another name and order": (
        "drop index marketing_activations_by_message",
        "create index mine on marketing_activations (whatsapp_message_date, business_id)",
    ),
    "another name of a check": (
        "alter table qa_submissions rename constraint qa_submissions_effect_known to effects",
    ),
    "the order of columns where nobody copies by star": (
        "alter table jobs drop column reason cascade", "alter table jobs add column reason text",
        "alter table jobs add constraint again check (state <> 'parked' or reason is not null)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HARMLESS)
async def test_what_is_harmless_is_no_alarm(fresh_owner_url: str, what: str) -> None:
    assert await found(fresh_owner_url, *HARMLESS[what]) == []
