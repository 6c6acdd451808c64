"""The doctor beside what compares schemas today: what each finds of single faults, and how long it looks.

``python bench/doctor.py``. All see the same databases, one difference in each; see `bench/doctor_faults.py` for them
and `bench/doctor_peers.py` for the others.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import doctor_peers as peers
import psycopg
from doctor_faults import CONTRACT, DECLARED, FAULTS, HARMLESS, Case, many, metadata
from doctor_stories import STATES, State
from figures import Figure, as_shipped, as_table, say

from tallybook.core import embedded
from tallybook.doctor.catalog_reading import read
from tallybook.doctor.contract import Contract
from tallybook.doctor.drift import drift
from tallybook.doctor.examining import examine
from tallybook.doctor.types import Finding, Report, Severity

BAR_S, ROUNDS = 2.0, 3  # rounds of which the best counts
SAID = f"""\
- **faults** are single ones in a schema of seven tables, each in a database of its own. The doctor has found one when
  it calls it by its own name, the others when they say anything at all. Whatever anybody says of a **harmless**
  difference is a false alarm: each of those schemas takes and refuses the same rows, and serves the same statements.
  Of **two databases** the doctor is shown the declared one beside the other, without a contract.
- **stories** are those of `tests/doctor/stories`, with their rows and as their fix left them. The doctor has found one
  when it names all that the bar names; the others, held against what was meant (`bench/doctor_stories.py`), when they
  say anything at all. Of what was meant none of them says anything. `results` ends with an error of its own (**fails**)
  where a check and a key have one name in the two databases.
- **Alembic** {peers.release("alembic")} compares with a metadata in SQLAlchemy's words, **`results`**
  {peers.release("results")} (the successor of `migra`) with a second database. Neither takes statements with
  ON CONFLICT, so that what a statement alone has wrong (no target, a parameter in the predicate) is not among these.
  See `bench/doctor_peers.py`.
- **the look** is at healthy tables of three keys and one statement with ON CONFLICT each; the doctor alone examines the
  statements. The declared side was read before; the best of three rounds.
"""


class Server(NamedTuple):
    """A server of the bench's own, and the address of any database in it."""

    superuser: str

    def url(self, name: str) -> str:
        return self.superuser.replace(f"/{embedded.DATABASE}?", f"/{name}?")

    def make(self, name: str, *statements: str) -> str:
        """A new database in which these statements ran, in place of the one of that name; its address."""
        with psycopg.connect(self.superuser, autocommit=True) as conn:
            conn.execute(f"drop database if exists {name} with (force)")
            conn.execute(f"create database {name}")
        with psycopg.connect(self.url(name), autocommit=True) as conn:
            for statement in statements:
                conn.execute(statement)
        return self.url(name)


class Told(NamedTuple):
    """What each said of a database: ours the codes, the others how much; None where it is not installed, or FAILS."""

    codes: frozenset[str]
    alembic: int
    results: int | None


async def looked_at(url: str, contract: Contract) -> tuple[Report, float]:
    """The doctor's report, and the seconds it took on an open connection."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        began = time.perf_counter()
        report = await examine(conn, contract, ["public"])
        return report, time.perf_counter() - began


async def told(server: Server, case: Case, declared: Any) -> Told:
    """What all say of the declared schema with one difference."""
    url = server.make("differing", DECLARED, case.sql)
    if case.between_two:
        findings = await differences((server.url("declared"), "public"), (url, "public"))
    else:
        findings = (await looked_at(url, CONTRACT))[0].findings
    codes = frozenset(one.code.value for one in findings if one.severity is not Severity.NOTE or case.codes)
    theirs = peers.results(url, declared)[0] if declared is not None else None
    return Told(codes, peers.alembic(url, metadata())[0], theirs)


async def differences(*sides: tuple[str, str]) -> tuple[Finding, ...]:
    """What the doctor says of two schemas, each by its database's address and its name."""
    catalogs = []
    for url, schema in sides:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
            catalogs.append(await read(conn, [schema]))
    return drift(*catalogs, names=("the one", "the other"))


async def told_of_story(server: Server, state: State) -> Told:
    """What all say of a story's database; of what was meant for it none of them says anything."""
    meant, url = server.make("meant", state.meant), server.make("story", state.sql)
    reflected = peers.declared_to_alembic(meant, state.schemas)
    declared = peers.declared_to_results(meant) if peers.results_is_there() else None
    nothing, found = [
        Told(
            await codes_of_story(at, state),
            peers.alembic(at, reflected)[0],
            None if declared is None else peers.results(at, declared)[0],
        )
        for at in (meant, url)
    ]
    assert nothing == Told(frozenset(), 0, nothing.results and 0), (state, nothing)
    return found


async def codes_of_story(url: str, state: State) -> frozenset[str]:
    """What the doctor says by the story's contract, and of the difference of its schemas where there are several."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        found = (await examine(conn, state.contract, state.schemas)).findings
    if len(state.schemas) > 1:
        found += await differences(*((url, schema) for schema in state.schemas))
    return frozenset(one.code.value for one in found if one.severity is not Severity.NOTE)


async def stories(server: Server) -> list[Figure]:
    """One line for each of the stories at each point, after the one that counts them."""
    say("stories")
    found = [(state, await told_of_story(server, state)) for state in STATES]
    in_full = sum(one.codes.issuperset(state.codes) for state, one in found)
    theirs = _seen([one for _, one in found])
    return [
        Figure(f"stories found, of {len(found)}", str(in_full), _by_name(*theirs), in_full / max(*theirs, 1), "all",
               in_full == len(found)),
        *(_figure(state.what, one, ", ".join(state.codes), one.codes.issuperset(state.codes)) for state, one in found),
    ]  # fmt: skip


async def single_faults(server: Server) -> list[Figure]:
    """One line for each difference, after those that count them."""
    healthy = server.make("declared", DECLARED)
    declared = peers.declared_to_results(healthy) if peers.results_is_there() else None
    nothing = await told(server, Case("nothing", "select 1"), declared)
    assert nothing == Told(frozenset(), 0, nothing.results and 0), nothing
    say("single faults")
    faults = [(case, await told(server, case, declared)) for case in FAULTS]
    harmless = [(case, await told(server, case, declared)) for case in HARMLESS]
    theirs = _seen([one for _, one in faults])
    ours = sum(_named(case, one) for case, one in faults)
    alarms = sum(bool(one.codes) for _, one in harmless)
    return [
        Figure(f"faults found, of {len(faults)}", str(ours), _by_name(*theirs),
               ours / max(*theirs, 1), "all", ours == len(faults)),
        Figure(f"harmless differences called faults, of {len(harmless)}", str(alarms),
               _by_name(*_seen([one for _, one in harmless])), None, "0", alarms == 0),
        *(_line(case, one) for case, one in (*faults, *harmless)),
    ]  # fmt: skip


def _named(case: Case, one: Told) -> bool:
    """Whether the doctor called a fault by its name."""
    return not one.codes.isdisjoint(case.codes)


def _seen(all_told: list[Told]) -> tuple[int, int]:
    """How many of them Alembic said anything of, and ``results``; -1 where that is not installed."""
    missing = any(one.results is None for one in all_told)
    return sum(one.alembic > 0 for one in all_told), -1 if missing else sum((one.results or 0) > 0 for one in all_told)


def _by_name(alembic: int, results: int) -> str:
    return f"{alembic} Alembic, {results if results >= 0 else peers.ABSENT} results"


def _line(case: Case, one: Told) -> Figure:
    right = _named(case, one) if case.codes else not one.codes
    return _figure(case.what, one, case.codes[0].value if case.codes else "silent", right)


def _figure(what: str, one: Told, bar: str, met: bool) -> Figure:
    ours = ", ".join(sorted(one.codes)) or "silent"
    words = [f"{name} {_said(count)}" for name, count in (("Alembic", one.alembic), ("results", one.results))]
    return Figure(what, ours, ", ".join(words), None, bar, met)


def _said(count: int | None) -> str:
    if count is None:
        return "?"
    return "fails" if count == peers.FAILS else "told" if count else "silent"


async def the_look(server: Server, count: int) -> list[Figure]:
    """How long each looks at so many healthy tables."""
    say(f"{count:,} tables")
    schema = many(count)
    url = server.make("wide", schema.sql)
    ours, keys_alone = [], []
    for _ in range(ROUNDS):
        report, took = await looked_at(url, schema.contract)
        assert report.findings == (), report.findings[:3]
        ours.append(took)
        keys_alone.append((await looked_at(url, Contract(keys=schema.contract.keys)))[1])
    theirs = [min(peers.alembic(url, schema.metadata)[1] for _ in range(ROUNDS))]
    words = [f"{theirs[0]:.2f} s Alembic"]
    if peers.results_is_there():
        declared = peers.declared_to_results(server.make("wide_too", schema.sql))
        theirs.append(min(peers.results(url, declared)[1] for _ in range(ROUNDS)))
        words.append(f"{theirs[1]:.2f} s results")
    return [
        Figure(f"a look at {count:,} tables of 3 keys", f"{min(keys_alone):.2f} s", ", ".join(words),
               min(theirs) / min(keys_alone), f"< {BAR_S:g} s", min(keys_alone) < BAR_S),
        Figure(f"and at {count:,} statements as well", f"{min(ours):.2f} s", "", None, f"< {BAR_S:g} s",
               min(ours) < BAR_S),
    ]  # fmt: skip


async def measured(tables: int) -> list[Figure]:
    """Every figure, with so many tables for the look."""
    if not peers.results_is_there():
        say(f"the `results` package is {peers.ABSENT}")
    with tempfile.TemporaryDirectory(prefix="tallybook-bench-") as place:
        async with embedded.running(Path(place), exclusive=False) as running:
            server = Server(running.superuser_url)
            return [*await the_look(server, tables), *await single_faults(server), *await stories(server)]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=500)
    count = parser.parse_args().tables
    as_shipped()
    print(as_table(await measured(count)))


if __name__ == "__main__":
    asyncio.run(main())
