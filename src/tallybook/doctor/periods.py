"""Takes a declared exclusion, or key of periods, apart, to find the rows that it would refuse. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from .predicates import bare, first_group, parted

RULE = re.compile(r"\s*exclude\s+(?:using\s+\w+\s*)?(?=\()", re.IGNORECASE)
# A key of periods, which PostgreSQL has since 18: its last column is the period.
TEMPORAL = re.compile(
    r"\s*(?:unique|primary\s+key)\s*\((?P<columns>.+?)\s+without\s+overlaps\s*\)\s*", re.IGNORECASE | re.DOTALL
)
ELEMENT = re.compile(r"(?P<expression>.+?)\s+with\s+(?P<operator>[-+*/<>=~!@#%^&|?]+)\s*", re.IGNORECASE | re.DOTALL)
WHERE = re.compile(r"\s*where\s*(?P<predicate>\(.*\))\s*", re.IGNORECASE | re.DOTALL)


class Periods(NamedTuple):
    """What an exclusion compares: expressions, each with its operator, of the rows where its predicate holds."""

    elements: tuple[tuple[str, str], ...]
    where: str | None


def taken_apart(rule: str) -> Periods | None:
    """The parts of ``exclude using gist (a with =, period with &&) where (b)``, or ``unique (a, p without overlaps)``.

    None where it is spelt another way.
    """
    temporal = TEMPORAL.fullmatch(rule)
    if temporal is not None:
        *columns, period = (column.strip() for column in parted(temporal["columns"], ","))
        return Periods((*((column, "=") for column in columns), (period, "&&")), None)
    start = RULE.match(rule)
    if start is None:
        return None
    inside, rest = first_group(rule[start.end() :])
    elements = [ELEMENT.fullmatch(part.strip()) for part in parted(inside, ",")]
    predicate = WHERE.fullmatch(rest) if rest.strip() else None
    if not all(elements) or (rest.strip() and predicate is None):
        return None
    return Periods(
        tuple((one["expression"], one["operator"]) for one in elements if one),
        bare(predicate["predicate"]) if predicate else None,
    )
