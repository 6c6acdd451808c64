"""What a merge would do, counted before anything is done: one query, whatever the depth of the children."""

from __future__ import annotations

from collections.abc import Sequence

from .members import colliding_members, doubled, first_members, parents
from .types import Deed, Merging, Node
from .words import SHOWN, literal

SAMPLES = 5  # groups shown


def preview_query(merging: Merging) -> str:
    """A query of one jsonb: groups, removed, moved (by foreign key), meeting (by children's keys), samples."""
    family, key, keep = merging.family, merging.key, merging.rule.keep
    root = family.shape(family.root)
    made = [f"members_0 as materialized ({first_members(root, key, keep, doubled(root, key))})"]
    moved, meeting = [], []
    for node in merging.nodes:
        source = f"members_{node.members}"
        if node.deed is Deed.COLLIDE and node.unique is not None:
            members = colliding_members(family.shape(node.table), node, source, lock=False)
            made.append(f"members_{node.number} as materialized ({members})")
            meeting.append((f"{node.table} {node.unique.name}", _met(node)))
        if node.deed is Deed.MOVE and node.reference is not None:
            count = f"(select count(*) from {parents(node, source)} where m.place > 1)"
            moved.append((f"{node.table} {node.reference.name}", count))
    return f"""with {", ".join(made)}
select jsonb_build_object(
    'groups', (select count(*) from members_0 where place = 1),
    'removed', (select count(*) from members_0 where place > 1),
    'moved', {_object(moved)},
    'meeting', {_object(meeting)},
    'samples', (
        select coalesce(jsonb_agg(jsonb_build_object('stays', m.place = 1, 'group', m.grp, 'row', to_jsonb(t))
            order by m.grp, m.place), '[]')
        from members_0 m join only {root.name} t on t.ctid = m.own
        where m.grp in (select grp from members_0 where place = 1 order by grp limit {SAMPLES}) and m.place <= 10))"""


def _met(node: Node) -> str:
    members = f"members_{node.number}"
    return f"""jsonb_build_object('count', (select count(*) from {members} where place > 1), 'rows', (
        select coalesce(jsonb_agg(one), '[]') from (
            select to_jsonb(t) as one from {members} m join only {node.table} t on t.ctid = m.own
            order by m.grp, m.stays, m.place limit {SHOWN}) few))"""


def _object(pairs: Sequence[tuple[str, str]]) -> str:
    return f"jsonb_build_object({', '.join(f'{literal(label)}, {value}' for label, value in pairs)})"
