"""In which country a business is, by its time zone: local spellings of phones are read by that. Pure."""

from __future__ import annotations

from functools import lru_cache

from babel.core import get_global

NOWHERE = frozenset({"001", "ZZ"})  # zones such as Etc/UTC


@lru_cache(maxsize=1_024)
def region_of(time_zone: str) -> str | None:
    """The country of a zone, as ``"ZA"`` of Africa/Johannesburg; None for a zone of no country. Never raises."""
    name = get_global("zone_aliases").get(time_zone, time_zone)
    region = get_global("zone_territories").get(name)
    return None if region in NOWHERE else region
