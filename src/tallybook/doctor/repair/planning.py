"""The plan of one declared key on one table. Pure: what the catalogue said goes in, a text to be read comes out."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tallybook.core.errors import Invalid
from tallybook.doctor.contract import NaturalKey, Upsert
from tallybook.doctor.resolving import shortened

from . import keys
from .back import knowing, undo_function, ways_back
from .batch import batch_function, find_function, groups_table
from .deeds import deeds
from .deeds import tables as tables_of
from .members import sums
from .preview import preview_query
from .switch import into, switch_step
from .types import Deed, Doing, Family, Merging, Node, Pace, Plan, Reference, Rule, Shape, Statement, Step, Unique, Way
from .words import HOME, literal, name


class Asked(msgspec.Struct, frozen=True):
    """What a plan is made of: the key, the rule, all keys declared of the table, and the statements that upsert.

    ``faulty`` are indexes that the examination found too strict or redundant, beside those seen here. ``held`` is
    what it said of the key itself, where it was asked.
    """

    key: NaturalKey
    rule: Rule | None
    declared: tuple[NaturalKey, ...] = ()
    upserts: tuple[Upsert, ...] = ()
    faulty: tuple[str, ...] = ()
    held: bool | None = None


def plan_key(run: str, family: Family, asked: Asked) -> Plan:
    """What makes the table hold the key: merge, build, attach, let the code switch, drop what was too strict.

    Raises Invalid where nothing is to be done, where a rule is missing, or where rows could not be restored.
    """
    shape, key = family.shape(family.root), asked.key
    _refuse(shape)
    standing = next((one for one in shape.uniques if keys.holds(one, key)), None)
    if asked.held is not None:  # it compares by what the server itself makes of both
        standing = (standing or keys.as_unique(key, key.name or "another index")) if asked.held else None
    target = standing or keys.as_unique(key, keys.free_name(shape, key))
    faulty = [
        one
        for one in shape.uniques
        if one is not standing
        and one.kind != "p"
        and (one.name in asked.faulty or keys.too_much(one, key, asked.declared))
    ]
    if standing is not None and not faulty:
        raise Invalid(f"{key.says} is held by {standing.name}, and nothing is in its way; nothing is to be repaired.")
    plan = Plan(run=run, what=key.says, schema=shape.schema, table=shape.table, key=key)
    if standing is None:
        plan = _with_merging(plan, family, asked, target)
    plan = _with_dropping(plan, family, asked, target, faulty, is_new=standing is None)
    tidy = _tidy(plan)
    return msgspec.structs.replace(plan, steps=(*plan.steps, tidy), undo=(*plan.undo, tidy))


def plan_redundant(run: str, family: Family, called: str, upserts: tuple[Upsert, ...]) -> Plan:
    """Drops an index that refuses nothing which another one does not. Raises Invalid where that other one is gone."""
    shape = family.shape(family.root)
    _refuse(shape)
    index = next((one for one in shape.uniques if one.name == called), None)
    enough = next((one for one in shape.uniques if index and one is not index and keys.covers(one, index)), None)
    if index is None or enough is None:
        raise Invalid(f"{called} is not there, or nothing else refuses what it does; let the doctor look again.")
    key = NaturalKey(table=shape.table, columns=enough.columns, where=enough.where)
    plan = Plan(run=run, what=f"{enough.name} alone holds {key.says}", schema=shape.schema, table=shape.table)
    return _with_dropping(plan, family, Asked(key, None, (), upserts), enough, [index], is_new=False)


def _refuse(shape: Shape) -> None:
    if shape.divided:
        raise Invalid(
            f"{shape.name} has partitions or inheriting tables; a key over them cannot be built while others write. "
            "Build it on each partition with create unique index concurrently, then attach these to one of the whole."
        )
    clash = next((field.name for field in shape.fields if field.name.startswith("doctor_")), None)
    if clash:
        raise Invalid(
            f"{shape.name}.{clash} begins with doctor_, which the quarantine needs for itself; rename it first."
        )


def _with_merging(plan: Plan, family: Family, asked: Asked, target: Unique) -> Plan:
    """Merging, building, attaching, and the way back."""
    if asked.rule is None:
        raise Invalid(
            "Say which of several rows stays: --keep newest:COLUMN, oldest:COLUMN, complete, or an SQL order."
        )
    shape = family.shape(family.root)
    _refuse_merges(shape, asked)
    nodes = deeds(family, asked.rule)
    known = knowing(family, nodes, target)
    tables = tables_of(nodes)
    kept = {
        table: name(HOME, shortened(f"{plan.run}_{at}_{family.shape(table).table}")) for at, table in enumerate(tables)
    }
    merging = Merging(plan.run, family, nodes, target, asked.rule, kept, known)
    functions = (
        Statement(find_function(plan.run, shape, target)),
        Statement(batch_function(merging)),
        Statement(undo_function(merging)),
    )
    prepare = tuple(statement for table in tables for statement in _quarantine(family.shape(table), kept[table], known))
    shapes = [family.shape(table) for table in tables]
    count = sums(shapes)
    steps = [
        Step("prepare", "Quarantine, and the functions that merge and restore.",
             statements=(*prepare, *_waiting(plan.run), *functions)),
        Step("sums", "A checksum of all rows, whatever their order.", statements=(_summed(plan.run, count),)),
        *_child_indexes(plan.run, family, nodes),
        Step("merge", "Duplicates are merged in batches, then the key is built; where new ones came in, again.",
             Doing.ROUNDS, (keys.build(shape, target),)),
    ]  # fmt: skip
    named = keys.sign(shape, target, plan.run)
    attached = (named, keys.attach(shape, target)) if target.plain else (named,)
    steps.append(Step("attach", "The index becomes a constraint, where one can hold it.", statements=attached))
    restore = Step("restore", "Everything removed or changed is restored, the latest batch first.", Doing.ROUNDS)
    preview = preview_query(merging)
    return msgspec.structs.replace(
        plan, steps=tuple(steps), undo=(restore,), kept=tuple(kept.items()), sums=count, preview=preview,
        back=ways_back(merging), notes=_notes(family, nodes, target),
    )  # fmt: skip


def _refuse_merges(shape: Shape, asked: Asked) -> None:
    for column, _ in asked.rule.merge if asked.rule else ():
        field = next((one for one in shape.fields if one.name == column), None)
        if field is None or field.generated or field.identity == "a":
            raise Invalid(f"--merge {column}: {shape.name} has no such column that can be written.")
        if column in asked.key.columns or any(one.kind == "p" and column in one.columns for one in shape.uniques):
            raise Invalid(f"--merge {column}: it is part of the key by which rows are known, and stays as it is.")


def _quarantine(shape: Shape, kept: str, known: dict[str, tuple[str, ...]]) -> list[Statement]:
    """A table of the very same types, so that what is restored is what was there, to the bit."""
    fields = ", ".join(f"{name(field.name)} {field.type}" for field in shape.fields)
    made = [
        Statement(f"""create table if not exists {kept} (
    doctor_no bigint not null default nextval('{HOME}.numbers'),
    doctor_batch bigint not null, doctor_group bigint not null,
    doctor_node integer not null, doctor_what text not null, doctor_place bigint, doctor_at timestamptz default now(),
    doctor_undone boolean not null default false,
    {fields},
    primary key (doctor_no, doctor_what))"""),
        Statement(f"create index if not exists {_index(kept, 'due')} on {kept} (doctor_batch) where not doctor_undone"),
        Statement(f"create index if not exists {_index(kept, 'batch')} on {kept} (doctor_batch, doctor_node)"),
    ]
    return made + [
        Statement(f"create index if not exists {_index(kept, 'row')} on {kept} ({name(column)})")
        for column in known.get(shape.name, ())[:1]
    ]


def _index(kept: str, what: str) -> str:
    return name(shortened(kept.partition(".")[2].strip('"'), f"_{what}"))


def _waiting(run: str) -> tuple[Statement, ...]:
    groups = groups_table(run)
    return (
        Statement(
            f"create table if not exists {groups} (number bigint generated always as identity primary key, "
            "tried integer not null default 0, rows tid[] not null)"
        ),
        Statement(f"create index if not exists {run}_turn on {groups} (tried, number)"),
    )


def _summed(run: str, count: str) -> Statement:
    known = f"from {HOME}.runs where run = {literal(run)}"
    return Statement(
        f"update {HOME}.runs set before = {count} where run = {literal(run)} and before is null",
        f"select before is null {known}", Pace.LONG,
    )  # fmt: skip


def _child_indexes(run: str, family: Family, nodes: Sequence[Node]) -> list[Step]:
    """Where children cannot be found by their parent, an index for the time being: no batch reads them all."""
    made: list[Statement] = []
    for node in nodes:
        if node.deed is not Deed.MOVE or node.reference is None:
            continue
        shape, wanted = family.shape(node.table), node.reference.columns
        if any(set(one[: len(wanted)]) == set(wanted) for one in shape.indexes):
            continue
        called = f"{run}_{node.number}"
        parts = ", ".join(name(column) for column in wanted)
        made.append(Statement(
            f"create index concurrently {called} on {shape.name} ({parts})",
            f"select not {keys.valid_index(shape.schema, called)}", Pace.LONG, name(shape.schema, called),
        ))  # fmt: skip
    return (
        [Step("children", "Indexes for the time being, by which children are found.", statements=tuple(made))]
        if made
        else []
    )


def _tidy(plan: Plan) -> Step:
    """What was made for the time being goes; the quarantine stays, and so does the way back."""
    children = next((step for step in plan.steps if step.name == "children"), None)
    gone = [
        Statement(
            f"drop index concurrently {made.building}",
            f"select to_regclass({literal(made.building)}) is not null",
            Pace.LONG,
        )
        for made in (children.statements if children else ())
        if made.building
    ]
    gone += [
        Statement(f"drop function if exists {HOME}.{plan.run}_batch(integer)"),
        Statement(f"drop function if exists {HOME}.{plan.run}_find()"),
        Statement(f"drop table if exists {groups_table(plan.run)}"),
    ]
    return Step("tidy", "What was made for the time being goes; the quarantine stays.", statements=tuple(gone))


def _with_dropping(
    plan: Plan, family: Family, asked: Asked, target: Unique, faulty: Sequence[Unique], *, is_new: bool
) -> Plan:
    """The stop for the code, then the drop of what was too strict or stood in the key's place; and its rebuilding."""
    shape = family.shape(family.root)
    others = [one for one in shape.uniques if one not in faulty]
    steps, back, notes = list(plan.steps), list[Statement](), list(plan.notes)
    dropped, handed, gone = list[Statement](), list[Reference](), list[str]()
    ways: list[Way] = []
    for old in faulty:
        carried, stuck = keys.stand_in(family, old, [target, *others])
        if stuck:
            notes += [
                f"{old.name} stays: {one.table} relies on it by {one.name}. Give {one.table} the columns of "
                f"({', '.join(target.columns)}), point its foreign key at the new one, then plan again."
                for one in stuck
            ]
            continue
        handed += carried
        dropped += keys.drop(shape, old, carried)
        gone.append(old.name)
        if old.valid:  # an invalid one held nothing that could be rebuilt
            back += keys.rebuild(shape, old)
            ways.append(Way(f"rows of {shape.name} use what {old.name} forbade", keys.freedom_used(shape, old)))
    wanted = asked.key.name if is_new and asked.key.name != target.name else None
    if wanted and dropped:
        dropped.append(keys.rename(shape, target.name, wanted, plan.run))
        back.insert(0, keys.rename(shape, wanted, target.name, plan.run))
    if dropped:
        plan = msgspec.structs.replace(
            plan, dropped=tuple(gone), upserts=into(shape.schema, shape.table, asked.upserts)
        )
        says = "What was too strict or in the way is dropped."
        steps += [switch_step(plan, target), Step("drop", says, statements=tuple(dropped))]
    undo = [Step("rebuild", "What was dropped is built again.", statements=tuple(back))] if back else []
    if is_new:
        mine = msgspec.structs.replace(target, constraint="unique" if target.plain else None)
        undo.append(Step("unbuild", "The new key is dropped.", statements=tuple(keys.drop(shape, mine, handed))))
    return msgspec.structs.replace(
        plan, steps=tuple(steps), undo=(*undo, *plan.undo), notes=tuple(notes), back=(*plan.back, *ways)
    )


def _notes(family: Family, nodes: Sequence[Node], target: Unique) -> tuple[str, ...]:
    said = []
    if not target.plain:
        said.append(f"{target.name} stays an index: a constraint cannot hold a predicate or an expression.")
    for table in tables_of(nodes):
        before = ", ".join(one.name for one in family.shape(table).triggers)
        if before:
            said.append(
                f"{table} has triggers that run before a row is written ({before}); they run as rows are merged, and "
                "are held off as rows are restored."
            )
    return tuple(said)
