"""A declared schema, and databases that differ from it by one thing each: what the doctor and its peers are shown.

The declaration is written three times, in the words of each: as SQL, as a contract, and as SQLAlchemy's metadata.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from tallybook.doctor.contract import Apart, Contract, NaturalKey, Nulls, Upsert
from tallybook.doctor.types import Code

DECLARED = """
create extension if not exists btree_gist;
create table teams (business_id integer not null, id integer not null, name text not null,
    constraint teams_pkey primary key (business_id, id));
create table reviews (business_id integer not null, id integer not null, drop_number varchar(50) not null,
    project text not null, review_date date not null, provider_id text, team_id integer,
    constraint reviews_pkey primary key (business_id, id),
    constraint reviews_drop_key unique (business_id, drop_number, review_date),
    constraint reviews_provider_key unique nulls not distinct (business_id, provider_id),
    constraint reviews_team_fkey foreign key (business_id, team_id) references teams (business_id, id));
create table people (business_id integer not null, email text not null, name text not null);
create unique index people_email_key on people (business_id, lower(email));
create table stand_ins (business_id integer not null, sprint integer not null, role text not null,
    requested_by text not null, approved boolean not null);
create unique index stand_ins_approved_key on stand_ins (business_id, sprint, role) where approved;
create table shifts (business_id integer not null, during tstzrange not null,
    constraint shifts_apart exclude using gist (business_id with =, during with &&));
create table current_state (sprint integer not null);
create unique index current_state_one on current_state ((true));
"""

CONTRACT = Contract(
    scope=("business_id",),
    shared=frozenset({"current_state"}),
    keys=(
        NaturalKey(table="teams", columns=("business_id", "id"), name="teams_pkey"),
        NaturalKey(table="reviews", columns=("business_id", "id"), name="reviews_pkey"),
        NaturalKey(table="reviews", columns=("business_id", "drop_number", "review_date"), name="reviews_drop_key"),
        NaturalKey(table="reviews", columns=("business_id", "provider_id"), nulls=Nulls.SAME),
        NaturalKey(table="people", columns=("business_id", "(lower(email))")),
        NaturalKey(table="stand_ins", columns=("business_id", "sprint", "role"), where="approved"),
        NaturalKey(table="current_state", columns=()),
    ),
    apart=(
        Apart(table="shifts", name="shifts_apart", rule="EXCLUDE USING gist (business_id WITH =, during WITH &&)"),
    ),
    upserts=(
        Upsert(place="filing.py:10", statement="insert into reviews values ($1, $2, $3, $4, $5, $6, $7) "
               "on conflict (business_id, drop_number, review_date) do nothing"),
        Upsert(place="teams.py:10", statement="insert into teams values ($1, $2, $3) "
               "on conflict on constraint teams_pkey do update set name = excluded.name"),
        Upsert(place="rota.py:10", statement="insert into stand_ins values ($1, $2, $3, $4, true) "
               "on conflict (business_id, sprint, role) where approved do nothing"),
    ),
)  # fmt: skip


class Case(NamedTuple):
    """One difference. ``codes`` are the doctor's words of which it says one; none where the difference is harmless."""

    what: str
    sql: str
    codes: tuple[Code, ...] = ()


NO_KEY = "alter table reviews drop constraint reviews_drop_key"
OTHER_KEY = f"{NO_KEY}; alter table reviews add constraint reviews_drop_key unique"
OTHER_PREDICATE = (
    "drop index stand_ins_approved_key; "
    "create unique index stand_ins_approved_key on stand_ins (business_id, sprint, role) where"
)
FAULTS = (
    Case("a key is missing", NO_KEY, (Code.MISSING_KEY,)),
    Case("a constraint refuses too much", "alter table reviews add unique (business_id, drop_number)",
         (Code.TOO_STRICT,)),
    Case("a bare unique index does", "create unique index left_over on reviews (business_id, drop_number)",
         (Code.TOO_STRICT,)),
    Case("an exclusion does", "alter table reviews add constraint one_a_drop exclude (drop_number with =)",
         (Code.TOO_STRICT, Code.KEY_WITHOUT_SCOPE)),
    Case("a key of the same name takes too much",
         f"{OTHER_KEY} (business_id, drop_number, review_date, project)", (Code.LOOSER_KEY,)),
    Case("a key stands there twice",
         "alter table reviews add constraint again unique (business_id, drop_number, review_date)",
         (Code.REDUNDANT_KEY,)),
    Case("a key is deferrable",
         f"{OTHER_KEY} (business_id, drop_number, review_date) deferrable", (Code.DEFERRABLE_ARBITER,)),
    Case("its index is invalid",
         "update pg_index set indisvalid = false where indexrelid = 'people_email_key'::regclass",
         (Code.INVALID_INDEX,)),
    Case("a whole key became partial",
         f"{NO_KEY}; create unique index reviews_drop_key on reviews (business_id, drop_number, review_date) "
         "where team_id is not null", (Code.PARTIAL_ARBITER,)),
    Case("a partial key has another predicate",
         f"{OTHER_PREDICATE} not approved", (Code.PARTIAL_ARBITER,)),
    Case("a key has another expression",
         "drop index people_email_key; create unique index people_email_key on people (business_id, upper(email))",
         (Code.EXPRESSION_MISMATCH,)),
    Case("a bare index where a statement names the constraint",
         "alter table reviews drop constraint reviews_team_fkey; alter table teams drop constraint teams_pkey; "
         "create unique index teams_pkey on teams (business_id, id)", (Code.NOT_A_CONSTRAINT,)),
    Case("rows without a value pass twice",
         "alter table reviews drop constraint reviews_provider_key; "
         "alter table reviews add constraint reviews_provider_key unique (business_id, provider_id)",
         (Code.NULL_RULE,)),
    Case("a key forgot the tenant", "create unique index by_mail on people (lower(name))", (Code.KEY_WITHOUT_SCOPE,)),
    Case("a table is missing", "drop table stand_ins", (Code.MISSING_TABLE,)),
    Case("a column of a key is missing", "alter table reviews drop column provider_id", (Code.MISSING_COLUMN,)),
    Case("periods may lie over each other", "alter table shifts drop constraint shifts_apart",
         (Code.PERIODS_OVERLAP,)),
    Case("the one row may be three", "drop index current_state_one", (Code.LOST_SINGLETON,)),
    Case("old rows were never checked",
         "alter table reviews drop constraint reviews_team_fkey; alter table reviews add constraint reviews_team_fkey "
         "foreign key (business_id, team_id) references teams (business_id, id) not valid", (Code.UNVALIDATED,)),
    Case("a partitioned table's key holds within a part only",
         "drop table people; create table people (business_id integer not null, email text not null, "
         "name text not null) partition by list (name); create table people_a partition of people default; "
         "create unique index people_email_key on people_a (business_id, lower(email))", (Code.KEY_LACKS_PARTITION,)),
)  # fmt: skip

HARMLESS = (
    Case("a constraint has another name", "alter table reviews rename constraint reviews_drop_key to one_a_day"),
    Case("a key's columns stand in another order",
         f"{OTHER_KEY} (review_date, drop_number, business_id)"),
    Case("a table's columns stand in another order",
         "drop table people; create table people (name text not null, email text not null, "
         "business_id integer not null); create unique index people_email_key on people (business_id, lower(email))"),
    Case("a predicate is written in other words",
         f"{OTHER_PREDICATE} (approved and true)"),
)  # fmt: skip


def metadata() -> sa.MetaData:
    """The declaration in SQLAlchemy's words."""
    made = sa.MetaData()
    whole, text, tenant = sa.Integer, sa.Text, ("business_id", sa.Integer)
    _table(
        made,
        "teams",
        (tenant, ("id", whole), ("name", text)),
        sa.PrimaryKeyConstraint("business_id", "id", name="teams_pkey"),
    )
    _table(
        made,
        "reviews",
        (tenant, ("id", whole), ("drop_number", sa.String(50)), ("project", text), ("review_date", sa.Date)),
        sa.Column("provider_id", text),
        sa.Column("team_id", whole),
        sa.PrimaryKeyConstraint("business_id", "id", name="reviews_pkey"),
        sa.UniqueConstraint("business_id", "drop_number", "review_date", name="reviews_drop_key"),
        sa.UniqueConstraint(
            "business_id", "provider_id", name="reviews_provider_key", postgresql_nulls_not_distinct=True
        ),
        sa.ForeignKeyConstraint(
            ["business_id", "team_id"], ["teams.business_id", "teams.id"], name="reviews_team_fkey"
        ),
    )
    people = _table(made, "people", (tenant, ("email", text), ("name", text))).c
    sa.Index("people_email_key", people.business_id, sa.func.lower(people.email), unique=True)
    asked = (tenant, ("sprint", whole), ("role", text), ("requested_by", text), ("approved", sa.Boolean))
    one = _table(made, "stand_ins", asked).c
    sa.Index(
        "stand_ins_approved_key", one.business_id, one.sprint, one.role, unique=True, postgresql_where=one.approved
    )
    _table(
        made,
        "shifts",
        (tenant, ("during", pg.TSTZRANGE)),
        pg.ExcludeConstraint(("business_id", "="), ("during", "&&"), name="shifts_apart", using="gist"),
    )
    state = _table(made, "current_state", (("sprint", whole),))
    sa.Index("current_state_one", sa.text("(true)"), unique=True, _table=state)
    return made


def _table(made: sa.MetaData, name: str, columns: tuple[tuple[str, Any], ...], *also: Any) -> sa.Table:
    return sa.Table(name, made, *(sa.Column(column, kind, nullable=False) for column, kind in columns), *also)


class Many(NamedTuple):
    """So many healthy tables of three keys and one statement each, declared in the words of all."""

    sql: str
    contract: Contract
    metadata: sa.MetaData


MANY = """
create table {name} (business_id integer not null, id integer not null, number text not null, project text not null,
    approved boolean not null,
    constraint {name}_pkey primary key (business_id, id),
    constraint {name}_number_key unique (business_id, number, project));
create unique index {name}_approved_key on {name} (business_id, number) where approved;
"""


def many(count: int) -> Many:
    names, made = [f"register_{number:04}" for number in range(count)], sa.MetaData()
    keys: list[NaturalKey] = []
    for name in names:
        keys += [
            NaturalKey(table=name, columns=("business_id", "id")),
            NaturalKey(table=name, columns=("business_id", "number", "project")),
            NaturalKey(table=name, columns=("business_id", "number"), where="approved"),
        ]
        whole, text = sa.Integer, sa.Text
        columns = (("business_id", whole), ("id", whole), ("number", text), ("project", text), ("approved", sa.Boolean))
        table = _table(
            made,
            name,
            columns,
            sa.PrimaryKeyConstraint("business_id", "id", name=f"{name}_pkey"),
            sa.UniqueConstraint("business_id", "number", "project", name=f"{name}_number_key"),
        )
        sa.Index(f"{name}_approved_key", table.c.business_id, table.c.number, unique=True,
                 postgresql_where=table.c.approved)  # fmt: skip
    statement = "insert into {} values ($1, $2, $3, $4, $5) on conflict (business_id, number, project) do nothing"
    upserts = tuple(Upsert(place=f"{name}.py:1", statement=statement.format(name)) for name in names)
    contract = Contract(keys=tuple(keys), upserts=upserts, scope=("business_id",))
    return Many("".join(MANY.format(name=name) for name in names), contract, made)
