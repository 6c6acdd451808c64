"""Who is asking, and what they may do. Pure: the whole table of rights stands here."""

from __future__ import annotations

import enum
from typing import Literal

import msgspec

from .businesses import Business
from .errors import NotAllowed


class Role(enum.StrEnum):
    """What somebody is in one business."""

    ADMIN = "admin"
    LEAD = "lead"
    REVIEWER = "reviewer"
    AGENT = "agent"
    VIEWER = "viewer"


class Scope(enum.StrEnum):
    """What an API token was made for."""

    READ = "read"
    REVIEW = "review"
    ADMIN = "admin"


class Right(enum.StrEnum):
    """A kind of thing that somebody may do."""

    SEE = "see"
    REVIEW = "review"
    ANSWER = "answer"
    LEAD = "lead"  # import lists, stop answers and start them again, write to SharePoint
    ADMINISTER = "administer"  # people and API tokens


RIGHTS_OF_ROLE: dict[Role, frozenset[Right]] = {
    Role.ADMIN: frozenset(Right),
    Role.LEAD: frozenset({Right.SEE, Right.REVIEW, Right.ANSWER, Right.LEAD}),
    Role.REVIEWER: frozenset({Right.SEE, Right.REVIEW}),
    Role.AGENT: frozenset({Right.SEE, Right.ANSWER}),
    Role.VIEWER: frozenset({Right.SEE}),
}
RIGHTS_OF_SCOPE: dict[Scope, frozenset[Right]] = {
    Scope.READ: frozenset({Right.SEE}),
    Scope.REVIEW: frozenset({Right.SEE, Right.REVIEW, Right.ANSWER}),
    Scope.ADMIN: frozenset(Right),
}
EVERY_SCOPE = frozenset(Scope)


class Elsewhere(msgspec.Struct, frozen=True):
    """Another business in which somebody has a role."""

    id: int
    name: str


class Caller(msgspec.Struct, frozen=True):
    """Somebody known, acting in one business.

    ``role`` is None for an API token that belongs to no person. ``session`` is the public handle of the session (the
    hex of its hash), ``token_id`` the API token's number; exactly one of them is given for callers from the web.
    ``elsewhere`` is where a session may be taken to; an API token stays in its business.
    """

    account_id: int | None
    name: str
    business: Business
    role: Role | None
    scopes: frozenset[Scope] = EVERY_SCOPE
    must_change: bool = False
    session: str | None = None
    token_id: int | None = None
    locale: str | None = None
    theme: Literal["auto", "light", "dark"] = "auto"
    elsewhere: tuple[Elsewhere, ...] = ()

    @property
    def business_id(self) -> int:
        return self.business.id


def rights(caller: Caller) -> frozenset[Right]:
    """What the caller's role and the token's scopes both allow; nothing while a password waits to be changed."""
    if caller.must_change:
        return frozenset()
    by_scope = frozenset[Right]().union(*(RIGHTS_OF_SCOPE[scope] for scope in caller.scopes))
    return by_scope if caller.role is None else by_scope & RIGHTS_OF_ROLE[caller.role]


def may(caller: Caller, right: Right) -> bool:
    return right in rights(caller)


def require(caller: Caller, right: Right) -> None:
    """Raises NotAllowed where ``may`` says no."""
    if not may(caller, right):
        raise NotAllowed("You may not do this. Somebody with the role of admin can give you the right.", right=right)
