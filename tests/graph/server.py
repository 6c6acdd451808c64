"""The fake Microsoft Graph as a real HTTPS server on this machine, sign-in included, that can be made to fail."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs

import jwt
import trustme
from cryptography import x509

from tests.graph.lists import CLIENT
from tests.graph.tenant import SITE, TENANT, Tenant
from tests.graph.words import Asked, Told, error
from tests.served import Handler, Quiet

SECRET = "a-secret-of-the-tests-alone"
GRANT, JWT = "client_credentials", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPE = "https://graph.microsoft.com/.default"
PATIENCE = 30.0


@dataclass
class Fault:
    """What goes wrong, at requests that ``when`` picks, for ``times`` of them after ``skip``.

    ``drop``: the connection breaks, before anything was done or after all of it was. ``hold``: as long as the test
    likes. ``slow``: so many seconds later. ``refuse``: that status, with Retry-After if it is given.
    """

    kind: Literal["drop", "hold", "slow", "refuse"]
    after: bool = False
    when: Callable[[Asked], bool] = lambda _: True
    times: int = 1
    skip: int = 0
    seconds: float = 0.0
    status: int = 503
    retry_after: str | None = None
    held: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def hits(self, asked: Asked) -> bool:
        if self.times <= 0 or not self.when(asked):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass
class FakeGraph:
    """The running server. ``asked`` are the requests to the API, in the order in which they came."""

    folder: Path
    tenant: Tenant = field(default_factory=Tenant)
    faults: list[Fault] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    secret: str = SECRET
    certificate: bytes | None = None
    signed_in: list[str] = field(default_factory=list)
    address: str = ""

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def settings(self) -> dict[str, str]:
        """What an installation that writes here is set to."""
        return {
            "TALLYBOOK_GRAPH_API_URL": f"{self.address}/v1.0",
            "TALLYBOOK_SHAREPOINT_AUTHORITY": self.address,
            "TALLYBOOK_SHAREPOINT_TENANT": TENANT,
            "TALLYBOOK_SHAREPOINT_CLIENT_ID": CLIENT,
            "TALLYBOOK_SHAREPOINT_CLIENT_SECRET": SECRET,
            "TALLYBOOK_SHAREPOINT_SITE": SITE,
        }

    def fault(self, fault: Fault) -> Fault:
        self.faults.append(fault)
        return fault

    def answer(self, asked: Asked) -> Told:
        if asked.path.endswith("/.well-known/openid-configuration"):
            base = f"{self.address}/{TENANT}"
            return Told(200, {
                "issuer": f"{base}/v2.0", "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            })  # fmt: skip
        if asked.path == f"/{TENANT}/oauth2/v2.0/token":
            return self._sign_in({name: values[0] for name, values in parse_qs(asked.body.decode()).items()})
        self.asked.append(asked)
        return self.tenant.ask(asked)

    def _sign_in(self, form: dict[str, str]) -> Told:
        if form.get("grant_type") != GRANT or SCOPE not in form.get("scope", "") or form.get("client_id") != CLIENT:
            return Told(400, {"error": "invalid_request", "error_description": "…"})
        way = "secret" if form.get("client_secret") == self.secret else self._assertion(form)
        if way is None:
            return Told(401, {"error": "invalid_client", "error_description": "AADSTS7000215: …"})
        self.signed_in.append(way)
        return Told(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": self.tenant.token()})

    def _assertion(self, form: dict[str, str]) -> str | None:
        if self.certificate is None or form.get("client_assertion_type") != JWT:
            return None
        public = x509.load_pem_x509_certificate(self.certificate).public_key()
        with contextlib.suppress(jwt.InvalidTokenError):
            audience = f"{self.address}/{TENANT}/oauth2/v2.0/token"
            jwt.decode(form["client_assertion"], public, ["PS256", "RS256"], audience=audience, issuer=CLIENT)
            return "certificate"
        return None


class _Handler(Handler):
    protocol_version = "HTTP/1.1"
    fake: FakeGraph

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, self.body())
        fault = next((one for one in self.fake.faults if one.hits(asked)), None)
        if fault is not None and not fault.after and not self._before(fault):
            return
        told = self.fake.answer(asked)
        if fault is not None and fault.after and not self._happens(fault):
            return
        self._say(told)

    do_GET = do_POST = do_PATCH = do_PUT = _serve

    def _before(self, fault: Fault) -> bool:
        if fault.kind == "refuse":
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            if fault.retry_after and fault.retry_after.replace(".", "").isdecimal():
                self.fake.tenant.units.close(float(fault.retry_after))
            self._say(Told(fault.status, error(fault.status, "serviceNotAvailable").body, headers))
            return False
        return self._happens(fault)

    def _happens(self, fault: Fault) -> bool:
        """False where nothing more is to be said."""
        if fault.kind == "slow":
            time.sleep(fault.seconds)  # the fault itself: an answer that is late
        if fault.kind == "hold":
            fault.held.set()
            fault.let_go.wait(PATIENCE)
        if fault.kind == "drop":
            self.drop()
            return False
        return True

    def _say(self, told: Told) -> None:
        self.say(told.status, json.dumps(told.body).encode() if told.body is not None else b"", told.headers)


@contextmanager
def serving(folder: Path) -> Iterator[FakeGraph]:
    """The server, on a free port, with a certificate of an authority of its own."""
    authority = trustme.CA()
    fake = FakeGraph(folder)
    authority.cert_pem.write_to_path(str(fake.ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    server = Quiet(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": fake}))
    # The handshake in the connection's own thread, else one client that stalls holds all others up.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    fake.address = fake.tenant.address = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        for fault in fake.faults:
            fault.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()
