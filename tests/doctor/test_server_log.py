"""What other programs met stands in the server's log; it is read whatever its form, its language and its state."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tallybook.core.errors import WrongSetup
from tallybook.doctor.contract import Apart, Contract, NaturalKey
from tallybook.doctor.log_message import Entry, Said, read_message
from tallybook.doctor.log_time import moment
from tallybook.doctor.log_verdicts import Verdict, judge, with_logs
from tallybook.doctor.server_log import Logs, Recorded, read_logs
from tallybook.doctor.types import Code, Finding, Report, Severity
from tests.postgres import Server

DOUBLE = 'duplicate key value violates unique constraint "{}"'
KEY = "Key (drop_number, review_date)=(DR1752104, 2025-11-26) already exists."
INSERT = "insert into public.qa_photo_reviews (drop_number, note) values ($1, 'it''s')"


def csv(
    state: str, message: str, detail: str = "", statement: str = "", program: str = "psql", at: str = "13:42:00.123 UTC"
) -> str:
    """One record of csvlog, as PostgreSQL 15 to 18 write it."""
    quoted = [f'"{part.replace(chr(34), chr(34) * 2)}"' if part else "" for part in (message, detail)]
    asked = f'"{statement.replace(chr(34), chr(34) * 2)}"' if statement else ""
    return (
        f'2025-11-26 {at},"app","shop",4711,"127.0.0.1:5000",6925.1,7,"INSERT",2025-11-26 08:00:00 UTC,3/7,0,ERROR,'
        f'{state},{quoted[0]},{quoted[1]},,,,,{asked},42,,"{program}","client backend",,-42\n'
    )


def jsonl(state: str, message: str, **more: str) -> str:
    record = {
        "timestamp": "2025-11-26 13:42:00.123 UTC", "user": "app", "dbname": "shop", "pid": 4711,
        "error_severity": "ERROR", "state_code": state, "message": message, "application_name": "psql", **more,
    }  # fmt: skip
    return json.dumps(record) + "\n"


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Logs]:
    def of(*texts: str) -> Logs:
        files = []
        for number, text in enumerate(texts):
            files.append(tmp_path / f"{number}.log")
            files[-1].write_text(text, encoding="utf-8")
        return read_logs(files)

    return of


def test_refusals_are_counted_by_constraint_over_all_files_and_nothing_of_a_row_is_kept(
    read: Callable[..., Logs],
) -> None:
    record = csv("23505", DOUBLE.format("unique_drop"), KEY, INSERT)
    later = csv("23505", DOUBLE.format("unique_drop"), KEY, INSERT, "wa-monitor", "18:00:00.5 UTC")
    other = jsonl("23505", DOUBLE.format("unique_drop"), detail=KEY, statement=INSERT, application_name="wa-monitor")
    found = read(csv("00000", "connection received") + record + later, other)
    assert found.broken == 0
    assert [(one.said, one.times, one.programs) for one in found.recorded] == [
        (
            Said("unique_drop", "public.qa_photo_reviews", ("drop_number", "review_date")),
            3,
            {"wa-monitor": 2, "psql": 1},
        )
    ]
    assert (found.recorded[0].first, found.recorded[0].last) == (
        datetime(2025, 11, 26, 13, 42, 0, 123000, UTC), datetime(2025, 11, 26, 18, 0, 0, 500000, UTC),
    )  # fmt: skip
    assert "DR1752104" not in repr(found)
    assert "it's" not in repr(found)


def test_a_record_of_many_lines_is_one_even_where_a_line_looks_like_a_record(read: Callable[..., Logs]) -> None:
    within = f"insert into notes\nvalues ('{csv('23505', DOUBLE.format('made_up'), KEY).strip()}\n')\n"
    found = read(csv("23505", DOUBLE.format("notes_key"), 'Key (a)=(line\nbreak," and ) = ( all) …', within))
    assert [(one.said.constraint, one.said.table, one.times) for one in found.recorded] == [("notes_key", "notes", 1)]
    assert found.broken == 0


@pytest.mark.parametrize(
    "torn",
    [
        'half of a record","Key (a)=(1) exists",,,,"insert\n',  # its file was cut at its beginning
        csv("23505", DOUBLE.format("torn"), KEY, INSERT)[:160] + "\n",  # the server died while it wrote
        "a line of another program\n",
        '2025-11-26 13:42:00.000 UTC,"app","shop",1,"x\n',
    ],
    ids=["beginning", "end", "foreign", "open"],
)
def test_a_broken_record_is_counted_and_takes_no_other_with_it(read: Callable[..., Logs], torn: str) -> None:
    good = csv("23505", DOUBLE.format("unique_drop"), KEY, INSERT)
    found = read(good + torn + good * 3)
    assert [one.times for one in found.recorded] == [4]
    assert found.broken == 1
    found = read(torn + good * 3)
    assert ([one.times for one in found.recorded], found.broken) == ([3], 1)


def test_a_torn_line_of_jsonlog_is_counted(read: Callable[..., Logs]) -> None:
    good = jsonl("23505", DOUBLE.format("unique_drop"))
    found = read(good + good[:70] + "\n" + jsonl("00000", "ready") + good)
    assert ([one.times for one in found.recorded], found.broken) == ([2], 1)


def test_what_was_compressed_is_read_too_and_what_is_no_log_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(csv("23505", DOUBLE.format("unique_drop"), KEY, INSERT).encode() * 500)
    rotated, torn = tmp_path / "a.csv.gz", tmp_path / "b.csv.gz"
    rotated.write_bytes(whole)
    torn.write_bytes(whole[:-20])
    assert read_logs([rotated]).recorded[0].times == 500
    assert read_logs([torn]).broken >= 1
    for name, content in (("plain.log", b"2025-11-26 13:42 UTC [1] ERROR:  duplicate key\n"), ("c.gz", b"no gzip")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WrongSetup, match=name):
            read_logs([tmp_path / name])
    with pytest.raises(WrongSetup, match="No such file"):
        read_logs([tmp_path / "gone"])
    (tmp_path / "empty.csv").write_bytes(b"")
    assert read_logs([tmp_path / "empty.csv"]).recorded == ()


@pytest.mark.parametrize(
    ("state", "message", "said"),
    [
        ("23505", DOUBLE.format("t_key"), Said("t_key", None)),
        ("23505", DOUBLE.format('of"quotes'), Said('of"quotes', None)),
        ("23505", 'could not create unique index "t_key"', Said("t_key", None)),
        ("23P01", 'conflicting key value violates exclusion constraint "t_excl"', Said("t_excl", None)),
        ("23514", 'new row for relation "t" violates check constraint "t_check"', Said("t_check", "t")),
        ("23514", 'check constraint "t_check" of relation "t" is violated by some row', Said("t_check", "t")),
        ("23514", 'no partition of relation "t" found for row', Said(None, "t")),
        ("23503", 'insert or update on table "t" violates foreign key constraint "t_fk"', Said("t_fk", "t")),
        (
            "23503",
            'update or delete on table "u" violates foreign key constraint "t_fk" on table "t"',
            Said("t_fk", "t"),
        ),
        ("23505", "doppelter Schlüsselwert verletzt Unique-Constraint »t_key«", Said("t_key", None)),
        ("23505", "la valeur d'une clé dupliquée rompt la contrainte unique «\u00a0t_key\u00a0»", Said("t_key", None)),
        ("23505", '重複したキー値は一意性制約"t_key"違反となります', Said("t_key", None)),
        ("23503", 'テーブル"t"への挿入、更新は外部キー制約"t_a_fkey"に違反しています', Said("t_a_fkey", "t")),
        ("23503", '在 "u" 上的更新或删除操作违反了在 "t" 上的外键约束 "named"', Said("named", "t")),
        ("23514", "новая строка в отношении «t» нарушает ограничение-проверку «t_check»", Said("t_check", "t")),
        ("23505", "something without a name", Said(None, None)),
    ],
)
def test_the_constraint_is_found_in_any_language(state: str, message: str, said: Said) -> None:
    assert read_message(state, Entry(message=message), frozenset({"named"})) == said


def test_an_on_conflict_that_nothing_serves_is_told_by_its_table_and_target() -> None:
    asked = "insert into app.carts (id, note)\nvalues (1, 'x (y)') on  conflict (id, lower(note)) do nothing"
    message = "there is no unique or exclusion constraint matching the ON CONFLICT specification"
    assert read_message("42P10", Entry(message=message, statement=asked), frozenset()) == Said(
        None, "app.carts", ("id", "lower(note)")
    )
    other = Entry(message="ORDER BY position 5 is not in select list", statement="select 1 order by 5")
    assert read_message("42P10", other, frozenset()) is None


@pytest.mark.parametrize(
    ("written", "hour"),
    [("13:42:00.123 UTC", 13), ("13:42:00.123 SAST", 11), ("13:42:00.123 EST", 18), ("13:42:00.123 +0530", 8),
     ("13:42:00.123 XYZ", 13)],
)  # fmt: skip
def test_a_time_is_read_in_the_servers_own_zone(written: str, hour: int) -> None:
    at = moment(f"2025-11-26 {written}")
    assert at is not None
    assert (at.astimezone(UTC).hour, moment("2025-13-99 00:00:00 UTC"), moment("yesterday")) == (hour, None, None)


CONTRACT = Contract(
    keys=(
        NaturalKey(table="reviews", columns=("project", "drop_number", "review_date"), name="reviews_key"),
        NaturalKey(table="users", columns=("(lower(email))",)),
    ),
    apart=(
        Apart(table="sprints", name="sprints_apart", rule="exclude …", same="two sprints at one time"),
        Apart(table="rooms", name="rooms_apart", rule="exclude using gist (room with =, during with &&)"),
    ),
)


def recorded(state: str, constraint: str | None, table: str | None, *columns: str, times: int = 1) -> Recorded:
    at = datetime(2025, 11, 26, tzinfo=UTC)
    said = Said(constraint, table, columns)
    return Recorded(state=state, said=said, database="shop", times=times, first=at, last=at, programs={"psql": times})


@pytest.mark.parametrize(
    ("one", "verdict", "why"),
    [
        (recorded("23505", "reviews_key", None), Verdict.EXPECTED, "reviews (project, drop_number, review_date)"),
        (
            recorded("23505", "another_name", "public.reviews", "review_date", "drop_number", "project"),
            Verdict.EXPECTED,
            "the same by",
        ),
        (recorded("23505", "users_index", "users", "lower(email)"), Verdict.EXPECTED, "users"),
        (recorded("23505", "strict", "reviews", "drop_number", "review_date"), Verdict.BLOCKS, "too strict"),
        # A declared name over fewer columns, or on another table, is not the declared key.
        (recorded("23505", "reviews_key", "reviews", "drop_number"), Verdict.BLOCKS, "too strict"),
        (recorded("23505", "reviews_key", None, "drop_number"), Verdict.BLOCKS, "nothing in the contract"),
        (recorded("23505", "reviews_key", "old.others", "x"), Verdict.BLOCKS, "nothing in the contract"),
        (
            recorded("23505", "reviews_key", "reviews", "review_date", "drop_number", "project"),
            Verdict.EXPECTED,
            "the same by",
        ),
        (recorded("23P01", "sprints_apart", "rooms"), Verdict.BLOCKS, "nothing in the contract"),
        (recorded("23P01", "rooms_apart", "rooms", "room", "during"), Verdict.EXPECTED, "keeps these periods apart"),
        (recorded("23P01", "rooms_apart", "rooms", "during"), Verdict.BLOCKS, "nothing in the contract"),
        (recorded("23505", "orders_pkey", "orders", "id"), Verdict.BLOCKS, "nothing in the contract"),
        (recorded("23P01", "sprints_apart", "sprints"), Verdict.EXPECTED, "two sprints at one time"),
        (recorded("23P01", "rooms_excl", "rooms"), Verdict.BLOCKS, "nothing in the contract"),
        (recorded("42P10", None, "users", "lower(email)"), Verdict.BLOCKS, "no index holds it"),
        (recorded("42P10", None, "users", "id"), Verdict.BLOCKS, "no index fits"),
        (recorded("23514", "users_check", "users"), Verdict.UNTOLD, "checks"),
    ],
)
def test_an_expected_double_is_told_from_a_rule_in_the_way(one: Recorded, verdict: Verdict, why: str) -> None:
    judged = judge(one, CONTRACT)
    assert judged.verdict is verdict
    assert why in judged.why


def test_a_finding_says_how_often_its_constraint_met_somebody() -> None:
    strict = Finding(
        code=Code.TOO_STRICT, severity=Severity.ERROR, table="reviews", name="strict", says="It refuses.", do="drop it"
    )
    arbiter = Finding(
        code=Code.CONFLICT_WITHOUT_ARBITER,
        severity=Severity.ERROR,
        table="public.users",
        says="It fails.",
        do="name it",
    )
    report = Report(
        findings=(strict, arbiter), tables=1, keys=1, upserts=1, seconds=0, database="shop", schemas=("public",)
    )
    logs = (
        recorded("23505", "strict", "reviews", times=3), recorded("23505", "strict", None, times=4),
        recorded("42P10", None, "users", "id", times=5), recorded("23505", "reviews_key", None, times=6),
    )  # fmt: skip
    assert [one.evidence.times for one in with_logs(report, logs).findings] == [7, 5]


LOGGING = """
logging_collector = on
log_destination = 'jsonlog,csvlog'
log_directory = 'recorded'
log_min_messages = error
log_timezone = 'Africa/Johannesburg'
"""
REFUSED = (
    ("insert into parents values (1)", "23505"),
    ("insert into children values (7)", "23503"),
    ("insert into parents values (-1)", "23514"),
    ("insert into spans values (int4range(1, 5))", "23P01"),
    ("insert into children values (1) on conflict (parent) do nothing", "42P10"),
)


def test_what_a_real_server_writes_is_read_the_same_from_both_of_its_forms() -> None:
    server = Server.create()
    try:
        with (server.folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(LOGGING)
        server.start()
        with psycopg.connect(server.url("postgres"), autocommit=True, application_name="billing") as conn:
            conn.execute("create table parents (id int primary key check (id > 0))")
            conn.execute("create table children (parent int references parents)")
            conn.execute("create table spans (span int4range, exclude using gist (span with &&))")
            conn.execute("insert into parents values (1)")
            conn.execute("insert into spans values (int4range(1, 9))")
            for statement, state in REFUSED:
                with pytest.raises(psycopg.Error) as refused:
                    conn.execute(statement.encode())
                assert refused.value.sqlstate == state
        server.stop()  # it writes what it still holds
        folder = server.folder / "data" / "recorded"
        forms = [read_logs(sorted(folder.glob(pattern))) for pattern in ("*.csv", "*.json")]
    finally:
        server.remove()
    assert forms[0] == forms[1]
    assert {(one.state, one.said.constraint, one.said.table, one.said.columns) for one in forms[0].recorded} == {
        ("23505", "parents_pkey", "parents", ("id",)),
        ("23503", "children_parent_fkey", "children", ("parent",)),
        ("23514", "parents_id_check", "parents", ()),
        ("23P01", "spans_span_excl", "spans", ("span",)),
        ("42P10", None, "children", ("parent",)),
    }
    assert all(one.programs == {"billing": 1} and one.last.tzname() == "SAST" for one in forms[0].recorded)
