"""The function that merges one batch of groups, as SQL: everything that it removes or changes is kept first.

It runs in a transaction of its own, waits for no row that somebody holds (such a group is taken in the next round),
and leaves nothing half done.
"""

from __future__ import annotations

from .changes import merge, move
from .members import colliding_members, first_members, grouped, key_parts, source
from .types import Collide, Deed, Merging, Node, Rule, Shape, Unique
from .words import HOME, columns, held, literal, name

# Planned without reading whole tables: each row is found by where it stands, or by an index.
HEAD = """create or replace function {function}(doctor_many integer) returns integer
language plpgsql
set client_min_messages = warning set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $doctor$
declare
    doctor_this bigint := nextval('{home}.batches');
    doctor_numbers bigint[];
    doctor_rows tid[];
    doctor_kept bigint;
    doctor_done bigint;
    doctor_met text;
begin
    create temporary table if not exists doctor_members (
        node integer, grp bigint, place bigint, own tid, stays tid
    ) on commit delete rows;
    create index if not exists doctor_members_node on doctor_members (node);
    delete from doctor_members;

    -- The next groups, of a very large one as many rows as a batch may have.
    doctor_many := greatest(doctor_many, 2);
    with waiting as (
        select number, rows, sum(cardinality(rows)) over (order by tried, number) - cardinality(rows) as before
        from (select * from {groups} order by tried, number limit doctor_many) upcoming
    ), taken as (
        update {groups} g set rows = g.rows[doctor_many + 1:] from waiting
        where waiting.number = g.number and waiting.before < doctor_many
        returning g.number, waiting.rows[:doctor_many] as rows
    )
    select array_agg(distinct taken.number), array_agg(one) into doctor_numbers, doctor_rows
    from taken cross join lateral unnest(taken.rows) as one;
    if doctor_numbers is null then
        return 0;
    end if;
    delete from {groups} where number = any(doctor_numbers) and cardinality(rows) < 2;
"""
TAIL = """
    return cardinality(doctor_numbers);
end
$doctor$"""


def groups_table(run: str) -> str:
    """Where the groups found in a round wait for their batch."""
    return f"{HOME}.{run}_groups"


def find_function(run: str, shape: Shape, key: Unique) -> str:
    """The function that looks for duplicates afresh and says how many groups it found."""
    parts, groups, where = key_parts(key), groups_table(run), held(key)
    having = f"group by {grouped(key)} having count(*) > 1"
    if key.nulls_same or key.expressions:
        found = f"select array_agg(ctid) from only {shape.name} where {where} {having}"
    else:
        # Under names of their own: the predicate may be about a column of the key, and says of no table whose.
        own = [f"doctor_{place}" for place, _ in enumerate(key.columns)]
        same = " and ".join(f"t.{name(column)} = {one}" for column, one in zip(key.columns, own, strict=True))
        found = f"""select array_agg(t.ctid) from only {shape.name} t
    join (select {parts} from only {shape.name} where {where} {having}) doubled ({", ".join(own)}) on {same}
    {"where " + key.where if key.where else ""}
    group by {", ".join(own)}"""
    return f"""create or replace function {HOME}.{run}_find() returns bigint language plpgsql as $doctor$
declare
    found_groups bigint;
begin
    delete from {groups};
    insert into {groups} (rows)
    {found};
    get diagnostics found_groups = row_count;
    return found_groups;
end
$doctor$"""


def batch_function(merging: Merging) -> str:
    """The function of a batch: how many groups it took, 0 when none is left."""
    head = HEAD.format(function=f"{HOME}.{merging.run}_batch", home=HOME, groups=groups_table(merging.run))
    return head + "\n".join(_deed(merging, node) for node in merging.nodes) + TAIL


def _deed(merging: Merging, node: Node) -> str:
    family, rule, kept = merging.family, merging.rule, merging.kept
    shape = family.shape(node.table)
    if node.deed is Deed.TAKE:
        rows = "t.ctid = any(doctor_rows) for update skip locked"
        return _members(0, first_members(shape, merging.key, rule.keep, rows)) + (
            "    if not found then\n        return cardinality(doctor_numbers);\n    end if;"
        )
    if node.deed is Deed.COLLIDE:
        return _collide(shape, node, rule)
    if node.deed is Deed.REMOVE:
        return _remove(shape, node, kept[node.table])
    if node.deed is Deed.MOVE:
        return move(family, node, kept)
    return merge(shape, node, rule, kept[node.table])


def _members(number: int, query: str) -> str:
    return f"""
    insert into doctor_members (node, own, stays, place, grp)
    select {number}, * from ({query}) members;
"""


def _collide(shape: Shape, node: Node, rule: Rule) -> str:
    if node.unique is None:
        return ""
    said = f"\n    -- {shape.name}: rows that are the same by {node.unique.name} once their parents are one."
    said += _members(node.number, colliding_members(shape, node, source(node.members), lock=True))
    if rule.children is Collide.STOP:
        met = f"{shape.name}: rows would meet under {node.unique.name}: "
        said += f"""
    if found then
        select string_agg(t::text, ' ' order by m.place) into doctor_met
        from {source(node.number)} m join only {shape.name} t on t.ctid = m.own where m.grp = (
            select min(grp) from doctor_members where node = {node.number});
        raise exception '%', {literal(met)} || doctor_met using errcode = 'unique_violation';
    end if;"""
    return said


def _remove(shape: Shape, node: Node, kept: str) -> str:
    fields = columns(field.name for field in shape.fields)
    return f"""
    -- {shape.name}: what goes is kept, then removed.
    insert into {kept} (doctor_batch, doctor_group, doctor_node, doctor_what, doctor_place, {fields})
    select doctor_this, m.grp, {node.number}, 'removed', m.place, {columns((field.name for field in shape.fields), "t")}
    from {source(node.members)} m join only {shape.name} t on t.ctid = m.own where m.place > 1;
    get diagnostics doctor_kept = row_count;
    delete from only {shape.name} t using doctor_members m
    where m.node = {node.members} and m.place > 1 and t.ctid = m.own;
    get diagnostics doctor_done = row_count;
    if doctor_done <> doctor_kept then
        raise exception '%', {literal(f"A trigger or rule keeps rows of {shape.name} from being removed.")};
    end if;"""
