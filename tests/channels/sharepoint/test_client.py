"""Who we are to SharePoint, what it is asked, and that no secret goes where it does not belong."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from python_calamine import CalamineWorkbook

from tallybook import sharepoint_link
from tallybook.channels.sharepoint import calls
from tallybook.channels.sharepoint.access import Credentials
from tallybook.channels.sharepoint.client import Place
from tallybook.channels.sharepoint.types import Change, ItemKey, Lookup, SharePointError, Sheet, Upload, Values, Wrote
from tallybook.channels.sharepoint.workbook import fingerprint, workbook
from tallybook.core.errors import WrongSetup
from tallybook.settings import Settings
from tests.graph.server import SECRET, FakeGraph, serving

KEY = ItemKey(date(2025, 12, 2), "O'Neil & Söhne")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGraph]:
    with serving(tmp_path) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.ca_file))
        yield running


@pytest.fixture
def settings(fake: FakeGraph, tmp_path: Path) -> Settings:
    return Settings.load(fake.settings, tmp_path)


def proof() -> tuple[str, bytes]:
    """A private key with its certificate, as one PEM, and the certificate alone."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tallybook")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (private + certificate).decode(), certificate


@pytest.mark.parametrize("way", ["secret", "certificate"])
async def test_an_application_signs_in_by_secret_or_by_certificate_once_for_many_requests(
    fake: FakeGraph, settings: Settings, way: str
) -> None:
    if way == "certificate":
        whole, fake.certificate = proof()
        settings = dataclasses.replace(settings, sharepoint_client_secret=None, sharepoint_certificate=whole)
    async with sharepoint_link.library(settings) as graph:
        await graph.open()
        await graph.look_up([Lookup(KEY)])
    assert fake.signed_in == [way]


def test_exactly_one_proof_of_who_we_are_is_needed() -> None:
    for secret, certificate in ((None, None), ("a", "b")):
        with pytest.raises(WrongSetup, match="either"):
            Credentials("tenant", "client", secret, certificate)
    assert "a-secret" not in repr(Credentials("tenant", "client", "a-secret"))


def test_neither_a_secret_nor_a_token_is_sent_over_a_plain_connection() -> None:
    with pytest.raises(WrongSetup, match="AUTHORITY must begin with https"):
        Credentials("tenant", "client", "secret", authority="http://login.example")
    with pytest.raises(WrongSetup, match="GRAPH_API_URL must begin with https"):
        Place("http://graph.example/v1.0", "https://contoso.example", "Tallybook", "")
    Place("http://127.0.0.1:8080", "https://contoso.example", "Tallybook", "")


async def test_a_server_whose_certificate_nobody_vouches_for_gets_no_secret(
    fake: FakeGraph, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with sharepoint_link.library(settings) as graph:
        with pytest.raises(Exception, match="sign-in gave no answer"):
            await graph.open()
    assert fake.signed_in == []


async def test_the_token_goes_to_the_api_and_never_to_the_address_of_an_upload(
    fake: FakeGraph, settings: Settings
) -> None:
    async with sharepoint_link.library(settings) as graph:
        await graph.open()
        done = await graph.upload(calls_upload())
    assert isinstance(done, Wrote)
    sent = {asked.path: "authorization" in asked.headers for asked in fake.asked}
    assert {path: has for path, has in sent.items() if path.startswith("/upload/")} == {"/upload/1": False}
    assert SECRET not in str([(asked.url, asked.body) for asked in fake.asked])


def calls_upload() -> Upload:
    return Upload("a name with ä & #.xlsx", b"content")


async def test_any_project_s_name_makes_a_key_that_is_found_again(fake: FakeGraph, settings: Settings) -> None:
    async with sharepoint_link.library(settings) as graph:
        await graph.open()
        assert await graph.look_up([Lookup(KEY)]) == {KEY: None}
        made = await graph.write([Change(KEY, Values(1, 0, 1, 0))])
        found = (await graph.look_up([Lookup(KEY)]))[KEY]
        assert found is not None
        assert found.by_us
        assert isinstance(made[KEY], Wrote)
        # Its number leads nowhere any more: it is found by its key.
        assert (await graph.look_up([Lookup(KEY, "999")]))[KEY] == found


async def test_a_list_is_made_as_the_sync_needs_it_and_only_once(fake: FakeGraph, settings: Settings) -> None:
    fake.tenant.lists.clear()
    async with sharepoint_link.library(settings) as graph:
        with pytest.raises(SharePointError, match="does not have the list"):
            await graph.open()
        assert await graph.prepare()
        assert not await graph.prepare()
    assert fake.tenant.lists["Tallybook"].columns["TallybookKey"]["enforceUniqueValues"] is True


def test_a_batch_holds_at_most_twenty() -> None:
    one = calls.by_key("/items", KEY)
    with pytest.raises(ValueError, match="1 to 20"):
        calls.batch({str(number): one for number in range(21)})


@pytest.mark.parametrize(
    "text", ["=1+1", "+27820000001", "-1", "@SUM(A1)", "\t=1", "http://example.org", "1e5", "x" * 40_000]
)
def test_a_text_stays_a_text_whatever_it_begins_with(text: str) -> None:
    content = workbook([Sheet("Day", ["Remark"], [[text]])])
    (_, row) = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_name("Day").to_python()
    assert row == [text[:32_767]]


def test_the_same_sheets_are_the_same_bytes_and_other_ones_are_told_apart() -> None:
    one, other = [Sheet("Day", ["A"], [["a", 1, None]])], [Sheet("Day", ["A"], [["a", 2, None]])]
    assert fingerprint(one) == fingerprint(one) != fingerprint(other)
