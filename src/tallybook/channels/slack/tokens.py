"""The tokens of workspaces: as they are now, and as they were known last while nothing can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from tallybook.core.errors import TallybookError, Unavailable

from .calls import TokenOf

ASK_WITHIN = 0.3  # seconds; a click's trigger lasts three, of which the look-up of what to show may have taken two
EveryToken: TypeAlias = Callable[[], Awaitable[Mapping[str, str | None]]]


async def nothing_known() -> Mapping[str, str | None]:
    """For who knows no workspace ahead."""
    return {}


def of_none(account: str) -> bool:  # noqa: ARG001 - as Tokens.has_none
    """For who remembers nothing of any workspace."""
    return False


@dataclass
class Tokens:
    """Looks a workspace's token up, and goes by what was known last where that takes too long or fails.

    ``given`` and ``every`` ask for one workspace's and for all; None is one that was given none, and there ``usual``
    is taken. ``is_away`` says that nobody can be asked; ``has_none`` of which workspaces it is known all the same that
    they were given none. A token that is not known is never guessed: it may be another business's.
    """

    given: TokenOf = field(repr=False)
    usual: str | None = field(default=None, repr=False)
    every: EveryToken = field(default=nothing_known, repr=False)
    is_away: Callable[[], bool] = bool
    has_none: Callable[[str], bool] = of_none
    within: float = ASK_WITHIN
    _known: dict[str, str | None] = field(default_factory=dict, repr=False)
    _asking: dict[str, asyncio.Task[str | None]] = field(default_factory=dict, repr=False)

    async def of(self, account: str) -> str | None:
        """The token; None where there is none. Raises Unavailable where it is not known, and what ``given`` raises."""
        if not self.is_away():
            asking = self._asked(account)
            await asyncio.wait({asking}, timeout=self.within)
            if asking.done():
                error = asking.exception()
                if error is None:
                    return asking.result() or self.usual
                if isinstance(error, TallybookError):
                    raise error
        if account in self._known:
            return self._known[account] or self.usual
        if not self.has_none(account):
            raise Unavailable("The workspace's token is not known while the database is away.")
        return self.usual

    async def learn(self) -> None:
        """Has every workspace's token be known. Raises the database's fault."""
        self._known.update(await self.every())

    def _asked(self, account: str) -> asyncio.Task[str | None]:
        """One look-up at a time for each workspace. To cancel one would wait for the server, so it is left to end."""
        asking = self._asking.get(account)
        if asking is None:
            asking = self._asking[account] = asyncio.ensure_future(self.given(account))
            asking.add_done_callback(partial(self._answered, account))
        return asking

    def _answered(self, account: str, asking: asyncio.Task[str | None]) -> None:
        del self._asking[account]
        if not asking.cancelled() and asking.exception() is None:
            self._known[account] = asking.result()
