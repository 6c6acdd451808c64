"""A contract's file says what is wrong with it by line, and reads back as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallybook.core.errors import WrongSetup
from tallybook.doctor import contract_file
from tallybook.doctor.contract import Apart, Contract, NaturalKey, Nulls, Upsert

WHOLE = '''
scope = ["tenant_id"]
shared = ["tenants"]
distributed_by = "tenant_id"

[[keys]]
table = "sprints"
columns = ["discipline", "(lower(name))"]
where = "status = 'approved'"
nulls = "same"
immediate = false
name = "sprints_approved_key"
same = "sprints of one number"

[[apart]]
table = "sprints"
name = "sprints_apart"
rule = "exclude using gist (discipline with =, during with &&)"
same = "sprints of one discipline"

[[upserts]]
place = "app/store.py:12"
statement = """
insert into sprints (discipline, name) values ($1, $2)
on conflict (discipline, (lower(name))) where status = 'approved' do nothing"""
'''
STATEMENT = """insert into sprints (discipline, name) values ($1, $2)
on conflict (discipline, (lower(name))) where status = 'approved' do nothing"""


def read(tmp_path: Path, text: str) -> Contract:
    path = tmp_path / "contract.toml"
    path.write_text(text, "utf-8", newline="")
    return contract_file.read(path)


def test_everything_that_a_contract_can_say_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, WHOLE) == Contract(
        scope=("tenant_id",),
        shared=frozenset({"tenants"}),
        distributed_by="tenant_id",
        keys=(
            NaturalKey(
                table="sprints",
                columns=("discipline", "(lower(name))"),
                where="status = 'approved'",
                nulls=Nulls.SAME,
                immediate=False,
                name="sprints_approved_key",
                same="sprints of one number",
            ),
        ),
        apart=(
            Apart(
                table="sprints",
                name="sprints_apart",
                rule="exclude using gist (discipline with =, during with &&)",
                same="sprints of one discipline",
            ),
        ),
        upserts=(Upsert(place="app/store.py:12", statement=STATEMENT),),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scop = ['a']", ["line 1", "scop is not known here", "scope, shared"]),
        ("scope = 'a'", ["line 1", "scope must be a list of texts"]),
        ("[keys]\ntable = 'a'", ["line 1", "[[keys]]"]),
        ("\n[[keys]]\ntable = 'a'\ncolums = ['b']\n", ["line 4", "[[keys]] of a: colums is not", "columns, where"]),
        ("\n[[keys]]\ntable = 'a'\n", ["line 2", "[[keys]] of a: columns is missing", 'columns = ["']),
        ("[[keys]]\ntable = 'a'\ncolumns = ['b', 'b']", ["line 3", "twice"]),
        ("[[keys]]\ntable = 'a'\ncolumns = ['b']\nnulls = 'no'", ["line 4", '"distinct"', '"same"']),
        ("[[keys]]\ntable = 'a'\ncolumns = ['b']\nimmediate = 'no'", ["line 4", "true or false"]),
        ("[[upserts]]\nplace = 'a:1'", ["line 1", "statement is missing"]),
        ("[[keys]]\ntable = 3\ncolumns = []", ["line 2", "table must be a text"]),
        ("[[keys]", ["no TOML"]),
        ("source = ['nowhere']", ["nowhere"]),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_what_is_allowed(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(WrongSetup) as told:
        read(tmp_path, text)
    for word in words:
        assert word in told.value.message


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(WrongSetup) as told:
        read(tmp_path, "scope = 1\n[[keys]]\ntable = 'a'\n[[keys]]\ncolumns = ['b']\n")
    assert [line.partition(":")[0] for line in told.value.message.splitlines()[1:]] == [
        "contract.toml line 1",
        "contract.toml line 2",
        "contract.toml line 4",
    ]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(WrongSetup, match="cannot be read"):
        contract_file.read(tmp_path / "none.toml")


def test_a_source_is_read_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.sql").write_text("\ninsert into t (a) values (1) on conflict (a) do nothing;\n")
    (tmp_path / "src" / "b.py").write_text("S = 'on conflict (a) do nothing'\n")
    contract = read(tmp_path, "source = ['src']")
    assert [one.place for one in contract.upserts] == [f"{tmp_path}/src/a.sql:2"]
    assert contract.unread == (f"{tmp_path}/src/b.py:1: it is only a part of a statement",)


texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=30)
words = texts.filter(lambda text: bool(text.strip()))
contracts = st.builds(
    Contract,
    keys=st.lists(
        st.builds(
            NaturalKey,
            table=words,
            columns=st.lists(texts, unique=True, max_size=12).map(tuple),
            where=st.none() | words,
            nulls=st.sampled_from(Nulls),
            immediate=st.booleans(),
            name=st.none() | words,
            same=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20),
        ),
        max_size=3,
    ).map(tuple),
    apart=st.lists(st.builds(Apart, table=words, name=words, rule=words, same=texts), max_size=2).map(tuple),
    upserts=st.lists(st.builds(Upsert, place=words, statement=words), max_size=2).map(tuple),
    scope=st.lists(texts, max_size=2).map(tuple),
    shared=st.frozensets(texts, max_size=2),
    distributed_by=st.none() | words,
    unread=st.lists(texts, max_size=2).map(tuple),
)


@given(contract=contracts, note=texts)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_written_reads_back_as_it_was(tmp_path: Path, contract: Contract, note: str) -> None:
    notes = {"": note, "scope": note, **{key.says: note for key in contract.keys}}
    assert read(tmp_path, contract_file.write(contract, notes=notes)) == contract


@pytest.mark.parametrize(
    "text", ['a"""b', '"""\n"""', 'a\n"', 'a\n""""', "a\n\\", "\n", "a\r\nb\n\r", '\\"\n\\"', "\n\na"]
)
def test_a_text_of_any_quotes_and_lines_reads_back(tmp_path: Path, text: str) -> None:
    contract = Contract(upserts=(Upsert(place="a:1", statement="x" + text),))
    assert read(tmp_path, contract_file.write(contract)) == contract
