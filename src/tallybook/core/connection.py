"""The type of a connection, on its own so that both the keys and the transactions may name it."""

from __future__ import annotations

from typing import Any, TypeAlias

import psycopg

Conn: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]
