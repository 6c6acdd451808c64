"""Who we are to Microsoft: an application with a certificate or a secret of its own, and no person behind it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from tallybook.core.errors import WrongSetup
from tallybook.core.later import later

from .types import SharePointAway, SharePointError

if TYPE_CHECKING:
    import msal
else:
    msal = later("msal")

AUTHORITY = "https://login.microsoftonline.com"
# The one thing that an application asks for: whatever an administrator has granted it.
SCOPE = "https://graph.microsoft.com/.default"


@dataclass(frozen=True)
class Credentials:
    """An application in a tenant. Exactly one of ``secret`` and ``certificate`` (PEM: private key and certificate)."""

    tenant: str
    client_id: str
    secret: str | None = field(default=None, repr=False)
    certificate: str | None = field(default=None, repr=False)
    authority: str = AUTHORITY

    def __post_init__(self) -> None:
        if (self.secret is None) == (self.certificate is None):
            raise WrongSetup("SharePoint needs either TALLYBOOK_SHAREPOINT_CLIENT_SECRET or …_CERTIFICATE, not both.")
        if not self.authority.startswith("https://"):
            raise WrongSetup("TALLYBOOK_SHAREPOINT_AUTHORITY must begin with https://: a secret is sent there.")


@dataclass(frozen=True)
class _Http:
    """httpx as msal wants it. msal gives a signed proof as bytes, which httpx would write as ``b'…'``."""

    http: httpx.Client

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> httpx.Response:
        form = {name: value.decode() if isinstance(value, bytes) else value for name, value in (data or {}).items()}
        return self.http.post(url, params=params, data=form, headers=headers)

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> httpx.Response:
        return self.http.get(url, params=params, headers=headers)

    def close(self) -> None:
        self.http.close()


@dataclass
class Tokens:
    """Access tokens: kept by msal for as long as they hold, fetched in a thread. Never logged, never stored.

    ``http`` is the caller's to close.
    """

    credentials: Credentials
    http: httpx.Client
    _client: Any = None

    async def bearer(self) -> str:
        """A token that holds. Raises SharePointError for credentials that are refused, SharePointAway for no answer."""
        try:
            answer: dict[str, Any] = await asyncio.to_thread(self._ask)
        except (httpx.TransportError, RuntimeError, msal.exceptions.MsalServiceError) as error:
            raise SharePointAway(f"Microsoft's sign-in gave no answer ({type(error).__name__}).") from None
        except ValueError:
            # Its text repeats what was sent and what came back.
            raise SharePointError(
                "Microsoft's sign-in does not know this tenant, or the certificate cannot be read."
            ) from None
        if "access_token" in answer:
            return str(answer["access_token"])
        code = str(answer.get("error", "unknown"))
        if code in {"temporarily_unavailable", "server_error"}:
            raise SharePointAway(f"Microsoft's sign-in is busy ({code}).")
        raise SharePointError(f"Microsoft refuses this application ({code}). Is its secret or certificate still valid?")

    def _ask(self) -> dict[str, Any]:
        if self._client is None:
            self._client = self._made()
        found: dict[str, Any] = self._client.acquire_token_for_client([SCOPE])
        return found

    def _made(self) -> Any:
        """An address that is none of Microsoft's is trusted as it was set: msal then asks nobody else about it."""
        one = self.credentials
        own = one.authority.rstrip("/") == AUTHORITY
        proof: Any = one.secret or {"private_key": one.certificate, "public_certificate": one.certificate}
        return msal.ConfidentialClientApplication(
            one.client_id,
            client_credential=proof,
            authority=f"{one.authority.rstrip('/')}/{one.tenant}",
            instance_discovery=None if own else False,
            validate_authority=own,
            http_client=_Http(self.http),
        )
