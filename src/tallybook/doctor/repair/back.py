"""What takes a repair back: the function that restores one batch, the latest first, and what may stand in its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tallybook.core.errors import Invalid

from .members import key_parts
from .types import Deed, Family, Merging, Node, Reference, Shape, Unique, Way
from .words import HOME, SHOWN, columns, equal, held, identity, image, literal, name, settable, written

HEAD = """create or replace function {home}.{run}_undo() returns integer
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $doctor$
declare
    doctor_this bigint;
    doctor_due bigint;
    doctor_done bigint;
begin
    select max(latest) into doctor_this from ({latest}) batches;
    if doctor_this is null then
        return 0;
    end if;
"""
WRITTEN_SINCE = "Rows of {table} were written since; the batch is left as it is."


def undo_function(merging: Merging) -> str:
    """The function that restores the latest batch and returns 1, or 0 when nothing is left to restore.

    It holds off what would change a row while it is written, and checks that each row is what it was.
    """
    family, kept = merging.family, merging.kept
    latest = " union all ".join(
        f"select max(doctor_batch) as latest from {table} where not doctor_undone" for table in kept.values()
    )
    said = [_undone(merging, node) for node in reversed(merging.nodes)]
    # They may change what is written; what is restored is to be what it was. Those that run after a row stay in force.
    triggers = [(table, one) for table in kept for one in family.shape(table).triggers]
    off = "".join(f"    alter table {table} disable trigger {name(one.name)};\n" for table, one in triggers)
    on = "".join(
        f"    alter table {table} enable {'always ' if one.always else ''}trigger {name(one.name)};\n"
        for table, one in triggers
    )
    if triggers:
        on = "    set constraints all immediate;\n" + on
    done = "".join(
        f"    update {table} set doctor_undone = true where doctor_batch = doctor_this;\n" for table in kept.values()
    )
    head = HEAD.format(home=HOME, run=merging.run, latest=latest)
    return head + off + "".join(said) + done + on + "    return 1;\nend\n$doctor$"


def _undone(merging: Merging, node: Node) -> str:
    shape, kept = merging.family.shape(node.table), merging.kept[node.table]
    if node.deed is Deed.REMOVE:
        fields = columns(written(shape))
        return f"""
    -- {shape.name}: what was removed comes back.
    insert into {shape.name} ({fields}) overriding system value
    select {columns(written(shape), "k")} from {kept} k
    where k.doctor_batch = doctor_this and k.doctor_node = {node.number} and k.doctor_what = 'removed';
"""
    if node.deed in {Deed.MOVE, Deed.MERGE}:
        return _restored(merging, [node, *node.carried])
    return ""


def _restored(merging: Merging, nodes: Sequence[Node]) -> str:
    """Changed rows of one statement are restored in one statement, since they point at each other."""
    checks, updates, proofs = [], [], []
    for node in nodes:
        shape, kept = merging.family.shape(node.table), merging.kept[node.table]
        joined = f"{kept} k join only {shape.name} t on {same(merging.known[node.table], 't', 'k')}"
        here = f"k.doctor_batch = doctor_this and k.doctor_node = {node.number} and k.doctor_what = "
        alike = f"{image(shape.fields, 't')} = {image(shape.fields, 'k')}"
        due = f"select count(*) into doctor_due from {kept} k where {here}'left';"
        checks.append(f"""
    {due}
    perform 1 from {joined}
    where {here}'left' and {alike} for update of t;
    get diagnostics doctor_done = row_count;
    if doctor_done <> doctor_due then
        raise exception '%', {literal(WRITTEN_SINCE.format(table=shape.name))};
    end if;""")
        sets = ", ".join(f"{name(one)} = was.{name(one)}" for one in settable(shape))
        updates.append(f"""restored_{node.number} as (
        update only {shape.name} t set {sets}
        from {kept} k join {kept} was on was.doctor_no = k.doctor_no and was.doctor_what = 'changed'
        where {here}'left' and {same(merging.known[node.table], "t", "k")} returning 1)""")
        proofs.append(f"""
    {due}
    select count(*) into doctor_done from {joined}
    where {here}'changed' and {alike};
    if doctor_done <> doctor_due then
        raise exception '%', {literal(f"Rows of {shape.name} could not be made what they were; nothing was changed.")};
    end if;""")
    said = f"\n    -- {nodes[0].table}: what was changed is as it was, provided that it still is as it was left."
    whole = f"\n    with {', '.join(updates)}\n    select count(*) into doctor_done from restored_{nodes[0].number};"
    return said + "".join(checks) + whole + "".join(proofs) + "\n"


def same(known: Sequence[str], one: str, other: str) -> str:
    """That two rows are one by these columns; a table without any holds one row."""
    return equal(known, one, other) or "true"


def knowing(family: Family, nodes: Sequence[Node], key: Unique) -> dict[str, tuple[str, ...]]:
    """By which columns changed rows are found again. Raises Invalid for a table without a key of any sort."""
    known: dict[str, tuple[str, ...]] = {}
    for node in (one for whole in nodes for one in (whole, *whole.carried)):
        if node.deed not in {Deed.MOVE, Deed.MERGE, Deed.CARRY}:
            continue
        found = identity(family.shape(node.table))
        if found is None and node.table == family.root and key.plain and not key.nulls_same:
            found = key.columns  # unique once the repair is done
        if found is None:
            raise Invalid(
                f"{node.table} has no primary key, so its rows could not be found again to undo a repair. "
                "Give it one first: alter table "
                f"{node.table} add column doctored_id bigint generated always as identity primary key;"
            )
        known[node.table] = found
    return known


def ways_back(merging: Merging) -> tuple[Way, ...]:
    """Queries for rows written since that keep a repair from being undone."""
    family, kept, known, key = merging.family, merging.kept, merging.known, merging.key
    found: list[Way] = []
    for table, store in kept.items():
        shape = family.shape(table)
        if table in known:
            found.append(_changed_since(shape, store, known[table]))
        found += [
            _taken_since(shape, store, unique, known.get(table))
            for unique in shape.uniques
            if unique.kind != "x" and unique.valid and unique.columns != key.columns
        ]
        found += [_gone_since(one, store, kept) for one in family.references if one.table == table]
    return tuple(found)


def _rows(inner: str) -> str:
    return f"select to_jsonb(found) from ({inner} limit {SHOWN}) found"


def _later(store: str, known: Sequence[str]) -> str:
    """That the repair itself did more to a row that it left, so that this is not how it stands now."""
    return f"""exists (
        select from {store} later where later.doctor_no > k.doctor_no and not later.doctor_undone
            and later.doctor_what in ('changed', 'removed') and {same(known, "later", "k")})"""


def _changed_since(shape: Shape, store: str, known: Sequence[str]) -> Way:
    query = f"""select {columns((field.name for field in shape.fields), "k")} from {store} k
    where k.doctor_what = 'left' and not k.doctor_undone and not {_later(store, known)}
        and not exists (
            select from only {shape.name} t
            where {same(known, "t", "k")} and {image(shape.fields, "t")} = {image(shape.fields, "k")})"""
    return Way(f"rows of {shape.name} were changed or removed since the repair (shown as it left them)", _rows(query))


def _taken_since(shape: Shape, store: str, unique: Unique, known: Sequence[str] | None) -> Way:
    """Rows that stand where a removed one stood by one of the table's keys, and were not put there by the repair."""
    fields = columns(field.name for field in shape.fields)
    parts = key_parts(unique)
    ours = ""
    if known:
        ours = f"""and not exists (
            select from {store} k where k.doctor_what = 'left' and not k.doctor_undone and {same(known, "k", "t")})"""
    query = f"""select {fields} from (
        select t.* from only {shape.name} t where {held(unique)} {ours}) now
    where ({parts}) in (
        select {parts} from {store} gone
        where doctor_what = 'removed' and not doctor_undone and {held(unique)})"""
    return Way(
        f"rows of {shape.name} written since hold the key {unique.name} of rows that would come back", _rows(query)
    )


def _gone_since(reference: Reference, store: str, kept: Mapping[str, str]) -> Way:
    """Rows whose parents, in whatever table, are no longer there and are not kept either."""
    gone = equal(reference.columns, "k", "p", reference.to_columns)
    there = " and ".join(f"k.{name(column)} is not null" for column in reference.columns)
    kept_too = ""
    if reference.to_table in kept:
        kept_too = f"""and not exists (
            select from {kept[reference.to_table]} p where not p.doctor_undone and {gone})"""
    query = f"""select {columns(reference.columns, "k")} from {store} k
    where k.doctor_what in ('removed', 'changed') and not k.doctor_undone and {there}
        and not exists (select from {reference.to_table} p where {gone}) {kept_too}"""
    return Way(f"rows of {reference.to_table} that rows of {reference.table} pointed at are gone", _rows(query))
