"""A source tree's literal statements are read; what has a clause and cannot be read is listed, never dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallybook.core.errors import WrongSetup
from tallybook.doctor.conflict import Conflict, conflicts
from tallybook.doctor.placeholders import numbered
from tallybook.doctor.source import tree as source_tree
from tallybook.doctor.source.text import Read
from tests.architecture.sources import SOURCE


def read(folder: Path, **files: str) -> Read:
    """Files by their names, a dot written as two underscores."""
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, "utf-8")
    return source_tree.read(folder)


def statements(found: Read) -> list[tuple[str, str]]:
    assert found.unread == ()
    return [(one.place, " ".join(one.statement.split())) for one in found.upserts]


PYTHON = '''
"""Talks of ON CONFLICT (a) DO NOTHING, and runs nothing."""
COLUMNS = "tenant, name"
TARGET = f"on conflict ({COLUMNS})"
ADD = f"insert into people ({COLUMNS}) values (%(tenant)s, %(name)s) {TARGET} do nothing"
async def add(conn):
    await conn.execute(
        "insert into people (tenant, name) "
        "values ($1, $2) "
        "on conflict (tenant, name) do update set name = excluded.name",
        1, 2)
    cursor.execute(text("insert into notes (id, body) values (:id, :body) on conflict (id) do nothing"))
    execute_values(cursor, "insert into rows (a, b) values %s on conflict (a) do nothing", rows)
    log("what stands on conflict is not a clause")
'''


def test_literal_statements_of_python_are_read_with_the_constants_they_are_made_of(tmp_path: Path) -> None:
    assert statements(read(tmp_path, app__py=PYTHON)) == [
        ("app.py:5", "insert into people (tenant, name) values ($1, $2) on conflict (tenant, name) do nothing"),
        (
            "app.py:8",
            (
                "insert into people (tenant, name) values ($1, $2) on conflict (tenant, name) "
                "do update set name = excluded.name"
            ),
        ),
        ("app.py:12", "insert into notes (id, body) values ($1, $2) on conflict (id) do nothing"),
        ("app.py:13", "insert into rows (a, b) values (null, null) on conflict (a) do nothing"),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "insert into t (a,b) values ($1,$2) on conflict (a) do update set b = excluded.b",
        "insert into t (a, b) overriding system value values ($1,$2) on conflict (a, (lower(b))) do nothing",
        (
            "insert into t as x (a) values ($1) on conflict (a) where c = 'x' do update set c = 1 where x.b <> 1 "
            "returning (xmax = 0)"
        ),
        "with n as (delete from q returning *) insert into t select * from n on conflict (a) do nothing",
        'insert into t (a) values ($1) on conflict (a collate "C" text_ops) do update set (b, c) = (select 1, $2::int)',
        "insert into t (a) values ($1 at time zone 'utc', '{}'::jsonb #>> '{a}', $2::int[]) on conflict do nothing",
        "insert into t (a) select x from unnest($1::int[]) with ordinality as u (x, n) on conflict (a) do nothing",
    ],
)
def test_whatever_postgresql_takes_is_read(tmp_path: Path, statement: str) -> None:
    assert [one.statement for one in read(tmp_path, a__sql=statement).upserts] == [statement]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("f'insert into {table} (a) values (1) on conflict (a) do nothing'", "filled in at run time"),
        ("'insert into {} (a) values (1) on conflict (a) do nothing'.format(table)", "filled in at run time"),
        ("sql.SQL('insert into {t} (a) values (1) on conflict (a) do nothing')", "filled in at run time"),
        ("'insert into %s (a) values (1) on conflict (a) do nothing' % table", "filled in at run time"),
        ("start + ' on conflict (a) do nothing'", "filled in at run time"),
        ("'on conflict (a) do nothing'", "only a part of a statement"),
        ("'insert into t (a) values (1) on conflict (a) do update set'", "only a part"),
        ("'insert into t (a) values (1, (2) on conflict (a) do nothing'", "not understood"),
        ("'do $$ begin insert into t values (1) on conflict (a) do nothing; end $$'", "function's body"),
        ("insert(Unknown).on_conflict_do_nothing(index_elements=['a'])", "the table of Unknown"),
        ("insert(x.Person).on_conflict_do_nothing(index_elements=columns)", "no list of literals"),
        ("insert(x.Person).on_conflict_do_nothing(**key)", "key is handed on"),
        ("Person.objects.bulk_create(rows, update_conflicts=True, unique_fields=['a'])", "no literals"),
    ],
)
def test_what_cannot_be_read_is_listed_with_its_line_and_the_reason(tmp_path: Path, line: str, why: str) -> None:
    models = "class Person(Base):\n    __tablename__ = 'people'\n"
    found = read(tmp_path, a__py=f"\n\nrun({line})\n", models__py=models)
    assert found.upserts == ()
    (unread,) = found.unread
    assert unread.startswith("a.py:3: ")
    assert why in unread


BUILDERS = """
from sqlalchemy.dialects.postgresql import insert
stmt = insert(WhatsAppConversation).values(business_id=1, canonical_key="a")
stmt = stmt.on_conflict_do_update(
    index_elements=['business_id', 'canonical_key'],
    set_={'last_message_at': now},
).returning(WhatsAppConversation.id)
other = pg_insert(models.Sprint).on_conflict_do_nothing(
    index_elements=[models.Sprint.number], index_where=models.Sprint.status == "approved")
third = insert(log).values(a=1).on_conflict_do_update(constraint="log_key", set_={"a": 2})
fourth = log.insert().on_conflict_do_nothing()
fifth = insert(log).on_conflict_do_nothing(index_elements=["a"], index_where=text("b is null"))
"""
MODELS = """
class WhatsAppConversation(Base):
    __tablename__ = "whatsapp_conversation"
class Sprint(Base):
    __tablename__ = "sprints"
    __table_args__ = (UniqueConstraint("number"), {"schema": "triage"})
log = Table("log", metadata, Column("a"))
"""


def test_sqlalchemy_s_calls_become_statements_where_table_and_target_are_literals(tmp_path: Path) -> None:
    assert statements(read(tmp_path, a__py=BUILDERS, models__py=MODELS)) == [
        (
            "a.py:4",
            (
                'insert into "whatsapp_conversation" default values on conflict ("business_id", "canonical_key") '
                'do update set "business_id" = excluded."business_id"'
            ),
        ),
        (
            "a.py:8",
            (
                'insert into "triage"."sprints" default values on conflict ("number") where "status" = \'approved\' '
                "do nothing"
            ),
        ),
        (
            "a.py:10",
            'insert into "log" default values on conflict on constraint "log_key" do update set "a" = excluded."a"',
        ),
        ("a.py:11", 'insert into "log" default values on conflict do nothing'),
        ("a.py:12", 'insert into "log" default values on conflict ("a") where b is null do nothing'),
    ]


SCRIPT = r"""
// insert into t (a) values (1) on conflict (a) do nothing
const target = 'on conflict (a, b)';
const quoted = /['"`]/g, half = 4 / 2;
export async function add(client: Client) {
  await client.query('insert into t (a, b) values ($1, $2) ' + target + ' do nothing', [1, 2]);
  await sql`insert into notes (id, body) values (${id}, ${note.body}) on conflict (id) do update set body = ${body}`;
  await db.query(`insert into rows (a, b) values (?, ?) ${target} do nothing`);
  await db.query("insert into t (a) values (1) \
    on conflict (a) do nothing");
  return <p>Don't on conflict</p>;
}
await knex('people').insert({ name: f('x') }).onConflict(['tenant', 'name']).merge();
await knex.insert(row).into('crm.people').onConflict('email').ignore();
await supabase.from('people').upsert(rows, { onConflict: 'tenant, name' });
"""


def test_scripts_are_read_with_their_templates_sums_and_builders(tmp_path: Path) -> None:
    found = read(tmp_path, a__tsx=SCRIPT)
    assert statements(found) == [
        ("a.tsx:6", "insert into t (a, b) values ($1, $2) on conflict (a, b) do nothing"),
        (
            "a.tsx:7",
            "insert into notes (id, body) values ($1, $2) on conflict (id) do update set body = $3",
        ),
        ("a.tsx:8", "insert into rows (a, b) values ($1, $2) on conflict (a, b) do nothing"),
        ("a.tsx:9", "insert into t (a) values (1) on conflict (a) do nothing"),
        ("a.tsx:13", 'insert into "people" default values on conflict ("tenant", "name") do nothing'),
        ("a.tsx:14", 'insert into "crm"."people" default values on conflict ("email") do nothing'),
        ("a.tsx:15", 'insert into "people" default values on conflict ("tenant", "name") do nothing'),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("db.query(`insert into ${table} (a) values (1) on conflict (a) do nothing`)", "filled in at run time"),
        ("sql`insert into t ${sql(row)} on conflict (a) do nothing`", "filled in at run time"),
        ("q(head + ' on conflict (a) do nothing')", "filled in at run time"),
        ("db.insert(users).values(x).onConflictDoNothing({ target: users.id })", "no literals"),
        ("knex(table).insert(x).onConflict('a').ignore()", "no literal"),
        ("db.insertInto('t').values(x).onConflict((oc) => oc.column('a').doNothing())", "no literal"),
        ("prisma.user.upsert({ where: { a_b: { a, b } }, update: {}, create: {} })", "no literals"),
    ],
)
def test_what_cannot_be_read_in_a_script_is_listed(tmp_path: Path, line: str, why: str) -> None:
    found = read(tmp_path, a__ts=f"\n{line};\n")
    assert found.upserts == ()
    (unread,) = found.unread
    assert unread.startswith("a.ts:2: ")
    assert why in unread


SQL = """
-- insert into t (a) values (1) on conflict (a) do nothing; /* it's
\\set name 'x'
COPY public.t (a) FROM stdin;
it's; a $row$ on conflict (a) do nothing
\\.
insert into t (a) values ('on conflict; (a) do nothing')
    on conflict (a) do nothing;
select 1;
-- name: AddNote :exec
insert into notes (id) values (sqlc.arg(id)) on conflict (id) do nothing;
create function f() returns void language plpgsql as $f$
begin insert into t (a) values (x) on conflict (a) do nothing; end $f$;
with gone as (delete from t returning a) insert into u (a) select a from gone on conflict on constraint u_key do nothing
"""


def test_scripts_of_sql_are_cut_into_their_statements(tmp_path: Path) -> None:
    found = read(tmp_path, a__sql=SQL)
    assert [one.place for one in found.upserts] == ["a.sql:7", "a.sql:11", "a.sql:14"]
    assert found.upserts[1].statement == "insert into notes (id) values ($1) on conflict (id) do nothing"
    assert found.unread == ("a.sql:12: it stands in a function's body, whose variables are not known from outside",)


def test_libraries_large_files_and_what_lies_outside_are_not_read(tmp_path: Path) -> None:
    good = "insert into t (a) values (1) on conflict (a) do nothing;\n"
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    for folder in (outside, tree / "node_modules", tree / "env", tree / ".git"):
        folder.mkdir(parents=True)
        (folder / "a.sql").write_text(good)
    (tree / "env" / "pyvenv.cfg").write_text("")
    (tree / "away").symlink_to(outside)
    (tree / "away.sql").symlink_to(outside / "a.sql")
    (tree / "large.sql").write_text(good * 40_000)
    (tree / "latin.sql").write_bytes(b"-- caf\xe9 on conflict (a) do nothing")
    found = source_tree.read(tree)
    assert found.upserts == ()
    assert found.unread == ("large.sql:1: it is larger than 2 MB", "latin.sql:1: it is no UTF-8 text")


def test_a_file_that_is_not_of_its_language_is_listed_where_it_matters(tmp_path: Path) -> None:
    found = read(tmp_path, old__py="print 'on conflict (a) do nothing'\n", other__py="print 'hello'\n")
    assert found.unread == ("old.py:1: it is no Python that this Python reads",)


def test_one_file_can_be_read_alone_and_a_missing_one_is_told(tmp_path: Path) -> None:
    read(tmp_path, a__sql="insert into t (a) values (1) on conflict (a) do nothing")
    assert [one.place for one in source_tree.read(tmp_path / "a.sql").upserts] == ["a.sql:1"]
    with pytest.raises(WrongSetup, match="There is no"):
        source_tree.read(tmp_path / "none")


def test_every_clause_of_our_own_source_is_read_or_listed() -> None:
    """Each names its key by a constant of another module, which is known when it runs."""
    found = source_tree.read(SOURCE / "core")
    assert len(found.unread) > 10
    assert all("filled in at run time" in one for one in found.unread if not one.startswith("migrations/"))


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("select %(a)s, %(b)s, %(a)s, 5 %% 2", "select $1, $2, $1, 5 % 2"),
        ("select %s, %s", "select $1, $2"),
        ("select $2, a ? 'b'", "select $2, a ? 'b'"),
        ("select :a::int, :b, ':c', x[1:n] -- :d", "select $1::int, $2, ':c', x[1:n] -- :d"),
        ("select ?, a ?| b, '?'", "select $1, a ?| b, '?'"),
        ("select @name, a <@ b", "select $1, a <@ b"),
        ("select 'it''s :no', \":no\", $$ :no $$, e'\\':no'", "select 'it''s :no', \":no\", $$ :no $$, e'\\':no'"),
    ],
)
def test_parameters_of_every_driver_are_numbered(given: str, seen: str) -> None:
    assert numbered(given) == seen


def test_each_clause_of_a_statement_is_read_with_its_own_table() -> None:
    found = conflicts(
        "with a as (insert into one.t (x) values ($1) on conflict (x, (lower(y)), z collate \"C\") where p = 'do' "
        'and (q or $2) do nothing returning x) insert into "U" as v (x) select x from a '
        'on conflict on constraint "U_key" do update set x = 1 where v.x > 2'
    )
    assert found == (
        Conflict(
            table="t",
            schema="one",
            columns=("x", "(lower(y))", "z"),
            where="p = 'do' and (q or $2)",
            parameters=("$2",),
            nothing=True,
        ),
        Conflict(table="U", constraint="U_key"),
    )
