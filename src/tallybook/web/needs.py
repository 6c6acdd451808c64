"""What handlers ask for, so that each says it in one word."""

from __future__ import annotations

from typing import Any, TypeAlias

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency

from tallybook.app import App

TheApp: TypeAlias = NamedDependency[App]
# ``request.user`` is the Caller: never None, except on routes with ``open`` in their ``opt``.
Asked: TypeAlias = Request[Any, Any, State]
