"""What an environment may be called: its name is its schema's, and part of its role's. Pure."""

from __future__ import annotations

import re

PROD = "prod"
PRODUCTION_SCHEMA = "public"
# Schemas that are production's, the server's or kept for what was there before, and roles that are no environment's.
RESERVED = frozenset({PRODUCTION_SCHEMA, "extensions", "legacy", "information_schema", "owner", "reader"})
RESERVED_BEGINNINGS = ("pg_", "legacy_")
_PLAIN = re.compile(r"[a-z][a-z0-9_]{0,30}")


def is_plain(name: str) -> bool:
    """Whether a name is of small letters, digits and _, beginning with a letter, at most 31 of them."""
    return _PLAIN.fullmatch(name) is not None


def is_reserved(name: str) -> bool:
    """Whether a schema or role of that name is something else than an environment's."""
    return name in RESERVED or name.startswith(RESERVED_BEGINNINGS)
