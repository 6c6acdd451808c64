"""Which photos belong to which drop. Pure: no database, no clock."""

from __future__ import annotations
