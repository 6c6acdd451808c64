"""A draft holds what the code and the database take for the same thing, and says where both disagree."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tallybook.doctor import contract_file
from tallybook.doctor.catalog import Catalog, Check, Column, Index, Kind, Table
from tallybook.doctor.contract import Apart, Contract, NaturalKey, Upsert
from tallybook.doctor.drafting import draft, notes


def table(name: str, *columns: str) -> Table:
    number = Column(name="id", type="int", nullable=False, default=f"nextval('{name}_id_seq'::regclass)", sequence="s")
    named = tuple(Column(name=one, type="text", nullable=True) for one in columns)
    return Table(schema="public", name=name, columns=(number, *named), rows=-1, may_read=True)


def index(on: str, name: str, *columns: str, kind: Kind = Kind.UNIQUE, **more: object) -> Index:
    plain = Index(
        schema="public", table=on, name=name, kind=kind, columns=columns, where=None, immediate=True, valid=True,
        ready=True, nulls_same=False, definition=f"unique ({', '.join(columns)})",
    )  # fmt: skip
    return msgspec.structs.replace(plain, **more)


def upsert(text: str, place: str = "app.py:1") -> Upsert:
    return Upsert(place=place, statement=text)


CATALOG = Catalog(
    tables=(table("reviews", "tenant", "drop", "day"), table("sprints", "tenant", "status"), table("state")),
    indexes=(
        index("reviews", "reviews_pkey", "id", kind=Kind.PRIMARY),
        index("reviews", "reviews_drop_key", "tenant", "drop"),
        index("reviews", "reviews_id_key", "tenant", "id"),
        index("sprints", "sprints_approved", "tenant", where="((status)::text = 'approved'::text)", kind=Kind.BARE),
        index("sprints", "sprints_apart", "tenant", "during", kind=Kind.EXCLUSION, operators=("=", "&&"),
              unique=False, definition="EXCLUDE USING gist (tenant WITH =, during WITH &&)"),
        index("state", "state_pkey", "id", kind=Kind.PRIMARY),
    ),
    checks=(Check(schema="public", table="state", name="one", definition="CHECK ((id = 1))"),),
)  # fmt: skip
UPSERTS = [
    upsert("insert into reviews (drop) values ($1) on conflict (tenant, drop, day) do nothing", "a.py:1"),
    upsert("insert into sprints values ($1) on conflict (tenant) where status = 'approved' do nothing", "b.py:2"),
    upsert("insert into reviews (id) values ($1) on conflict (id) do nothing", "c.py:3"),
]


def test_keys_come_from_the_code_and_from_the_database_without_a_row_s_number() -> None:
    assert draft(CATALOG, UPSERTS) == Contract(
        keys=(
            NaturalKey(table="reviews", columns=("tenant", "drop", "day")),
            NaturalKey(
                table="sprints",
                columns=("tenant",),
                where="((status)::text = 'approved'::text)",
                name="sprints_approved",
            ),
            NaturalKey(table="state", columns=()),
        ),
        apart=(
            Apart(
                table="sprints", name="sprints_apart", rule="EXCLUDE USING gist (tenant WITH =, during WITH &&)"
            ),
        ),
        upserts=tuple(UPSERTS),
    )  # fmt: skip


def test_where_both_disagree_a_person_is_asked() -> None:
    said = notes(CATALOG, UPSERTS)["reviews (tenant, drop, day)"]
    assert "From the code: a.py:1" in said
    assert "TO DECIDE: the database holds no such key" in said
    assert "TO DECIDE: reviews_drop_key of the database is stricter, (tenant, drop)" in said


def test_where_both_agree_it_says_so() -> None:
    said = notes(CATALOG, UPSERTS)["sprints (tenant) where ((status)::text = 'approved'::text)"]
    assert said == "From the code: b.py:2.\nThe database holds it as sprints_approved."


def test_without_a_source_the_database_alone_is_drafted() -> None:
    (key, *_) = draft(CATALOG, []).keys
    assert key == NaturalKey(table="reviews", columns=("tenant", "drop"), name="reviews_drop_key")
    assert notes(CATALOG, [])[key.says].startswith("From the database alone (reviews_drop_key)")


@pytest.mark.parametrize("made", [f"{function}()" for function in ("uuidv4", "uuidv7", "gen_ulid", "gen_random_uuid")])
def test_a_value_that_the_database_makes_up_is_no_key(made: str) -> None:
    mark = Column(name="mark", type="text", nullable=False, default=made)
    noted = Table(schema="public", name="notes", columns=(mark,), rows=-1, may_read=True)
    marked = Catalog(tables=(noted,), indexes=(index("notes", "notes_mark_key", "mark"),))
    assert draft(marked, []).keys == ()


def test_a_tenant_s_column_is_only_guessed_at() -> None:
    many = Catalog(
        tables=tuple(table(name, "tenant", "a") for name in "abc"),
        indexes=tuple(index(name, f"{name}_key", "tenant", "a") for name in "abc"),
    )
    assert draft(many, []).scope == ()
    assert '\nscope = ["tenant"]' in notes(many, [])["scope"]
    assert "scope" not in notes(CATALOG, UPSERTS)


def test_a_draft_is_a_file_that_reads_back_with_its_comments(tmp_path: Path) -> None:
    contract = draft(CATALOG, UPSERTS)
    text = contract_file.write(contract, notes=notes(CATALOG, UPSERTS))
    path = tmp_path / "contract.toml"
    path.write_text(text)
    assert contract_file.read(path) == contract
    assert text.startswith("# A draft, made from what is there")
    assert "# TO DECIDE: the database holds no such key" in text


def test_of_two_schemas_each_key_names_its_own() -> None:
    there = msgspec.structs.replace
    both = Catalog(
        tables=(table("ord", "a", "b"), there(table("ord", "a", "b"), schema="s2"), there(table("one"), schema="s2")),
        indexes=(
            index("ord", "ord_key", "a"),
            there(index("ord", "ord_key", "b"), schema="s2"),
            there(index("ord", "apart", "during", kind=Kind.EXCLUSION, operators=("&&",), unique=False), schema="s2"),
            there(index("one", "one_pkey", "id", kind=Kind.PRIMARY), schema="s2"),
        ),
        checks=(Check(schema="s2", table="one", name="c", definition="CHECK ((id = 1))"),),
    )
    by_both = [
        upsert("insert into s2.ord (b) values ($1) on conflict (b) do nothing"),
        upsert("insert into ord (a) values ($1) on conflict on constraint ord_key do nothing", "app.py:2"),
        upsert("insert into ord (a, b) values ($1, $2) on conflict (a, b) do nothing", "app.py:3"),
    ]
    drafted = draft(both, by_both)
    assert [(key.table, key.columns) for key in drafted.keys] == [
        ("public.ord", ("a",)), ("public.ord", ("a", "b")), ("s2.one", ()), ("s2.ord", ("b",)),
    ]  # fmt: skip
    assert [one.table for one in drafted.apart] == ["s2.ord"]
