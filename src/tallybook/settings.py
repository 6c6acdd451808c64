"""Every setting, in one frozen class. A mistake stops the start and is told by the variable's name, never its value.

``python -m tallybook.settings`` prints docs/settings.md, which is made from this file.
"""

# ruff: noqa: RUF009 - _setting is dataclasses.field with a sentence beside it
from __future__ import annotations

import difflib
import hashlib
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from . import setting_values as read
from .core.errors import WrongSettings, WrongSetup

PREFIX = "TALLYBOOK_"
# Read by the test suite alone.
_NOT_OURS = "TALLYBOOK_TEST_"


def _setting(
    says: str, default: Any = None, parse: read.Parse = read.text, *, secret: bool = False, shown: str = ""
) -> Any:
    """Declare a setting. ``shown`` tells the default in words where it is worked out while loading."""
    return field(default=default, metadata={"says": says, "parse": parse, "secret": secret, "shown": shown})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the product was told. Each field is the variable ``TALLYBOOK_<FIELD>``; a repr shows no secret."""

    env: str = _setting("The environment, which is also the schema: only prod sends.", "prod", read.environment)
    data_dir: Path = _setting(
        "The folder of the embedded database, the spool and the generated key.", Path("data"), read.path
    )
    config: Path = _setting("The projects file.", Path("tallybook.toml"), read.path)
    host: str = _setting("The address on which the web server listens.", "127.0.0.1")
    port: int = _setting("The port on which the web server listens.", 8080, read.number(0, 65535))
    worker_metrics_port: int = _setting(
        "The loopback port on which the worker shows its metrics; 0 shows none.", 0, read.number(0, 65535)
    )
    public_url: str = _setting(
        "The address by which people reach the pages, used in links.", "", read.address, shown="from host and port"
    )
    cookie_secure: Literal["auto", "yes", "no"] = _setting(
        "Whether cookies are for https alone; auto means as the public address.",
        "auto",
        read.one_of("auto", "yes", "no"),
    )
    # Networks of both kinds; the web framework's check of arguments goes down to here and takes no union of them.
    trusted_proxies: tuple[Any, ...] = _setting(
        "The networks of proxies in front, between commas; only what they say of a request's origin is believed.",
        (),
        read.networks,
        shown="none",
    )
    database_url: str | None = _setting(
        "The PostgreSQL database, as the environment's own role.",
        None,
        read.database_url,
        secret=True,
        shown="embedded",
    )
    direct_database_url: str | None = _setting(
        "The same without the pooler.", None, read.database_url, secret=True, shown="the one above"
    )
    owner_database_url: str | None = _setting(
        "The same as its owner, for migrations.", None, read.database_url, secret=True, shown="the one above"
    )
    transaction_tries: int = _setting(
        "How often a transaction is run in all where a fault that may pass ended it, as a lost connection does.",
        5,
        read.number(1, 100),
    )
    secret_key: str | None = _setting(
        "What encrypts stored tokens and makes keyed hashes; several between commas, the newest first.",
        parse=read.secret_key,
        secret=True,
        shown="made once, in the data folder",
    )
    spool_limit_mb: int = _setting(
        "How much the spool may hold while the database is away, in MB.", 512, read.number(1, 1_000_000)
    )
    log_file: Path | None = _setting("A file to which each log line is also written.", None, read.path)
    log_format: Literal["plain", "json"] = _setting(
        "How log lines look.", "plain", read.one_of("plain", "json"), shown="plain on a terminal, else json"
    )
    log_level: str = _setting(
        "The least level that is logged.", "info", read.one_of("debug", "info", "warning", "error", "critical")
    )
    server_log: tuple[Path, ...] = _setting(
        "The files or folders, between commas, in which the database server writes its csvlog or jsonlog, where the "
        "worker sees them.",
        (),
        read.paths,
        shown="that of the embedded database",
    )
    whatsapp_app_secret: str | None = _setting(
        "The secret that signs WhatsApp's webhooks; several between commas while one is being changed.", secret=True
    )
    whatsapp_verify_token: str | None = _setting("The token of WhatsApp's webhook handshake.", secret=True)
    gateway_secret: str | None = _setting(
        "The secret with which a WhatsApp gateway signs its webhooks; several between commas.", secret=True
    )
    gateway_api_url: str | None = _setting("Where a WhatsApp gateway takes answers and has files.", None, read.address)
    slack_signing_secret: str | None = _setting("The secret that signs Slack's requests.", secret=True)
    slack_bot_token: str | None = _setting("The token with which we speak on Slack.", secret=True)
    slack_app_token: str | None = _setting("The token of Slack's Socket Mode.", secret=True)
    slack_tries: int = _setting(
        "How often a message to Slack is tried before a person is asked.", 12, read.number(1, 100)
    )
    slack_longest_pause: int = _setting(
        "The longest pause between two tries of a message to Slack, in seconds.", 900, read.number(1, 3600)
    )
    slack_pictures: Literal["yes", "no"] = _setting(
        "Whether Slack can reach the public address: it then shows a picture of the coming weeks.",
        "no",
        read.one_of("yes", "no"),
    )
    slack_feedback_url: str = _setting(
        "A page or form where people say what they think of the rota; Slack's home tab then links it.",
        "",
        read.address,
        shown="none",
    )
    whatsapp_api_url: str = _setting(
        "Where WhatsApp's API is, with its version.", "https://graph.facebook.com/v24.0", read.address
    )
    slack_api_url: str = _setting("Where Slack's API is.", "https://slack.com/api", read.address)
    graph_api_url: str = _setting("Where Microsoft Graph is.", "https://graph.microsoft.com/v1.0", read.address)
    sharepoint_tenant: str | None = _setting("The Microsoft tenant, by its number or its domain.")
    sharepoint_client_id: str | None = _setting("The application that writes to SharePoint, by its number.")
    sharepoint_client_secret: str | None = _setting("That application's secret; or else …", secret=True)
    sharepoint_certificate: str | None = _setting(
        "… its private key and certificate, both as PEM; best given as a file.", secret=True
    )
    sharepoint_site: str | None = _setting(
        "The SharePoint site's address, such as https://contoso.sharepoint.com/sites/Fibre.", None, read.address
    )
    sharepoint_list: str = _setting("The list that gets an item for each project's day.", "Tallybook")
    sharepoint_folder: str = _setting("The folder of the site's library for the days' workbooks.", "Tallybook")
    sharepoint_authority: str = _setting(
        "Where Microsoft's sign-in is; other national clouds have their own.",
        "https://login.microsoftonline.com",
        read.address,
    )
    bridge_api_url: str = _setting(
        "Where the WhatsApp bridge takes messages; it takes /send.", "http://127.0.0.1:8081/api", read.address
    )
    bridge_sender_url: str | None = _setting(
        "Where the number is that answers with a mention; it takes /send-message.",
        None,
        read.address,
        shown="none: the bridge answers without a mention",
    )
    bridge_token: str | None = _setting("The token that the bridge and its sender ask for, if they do.", secret=True)
    inbox_file_mb: int = _setting(
        "The largest file of a customer that is fetched from WhatsApp, in MB.", 100, read.number(1, 100)
    )
    inbox_upload_mb: int = _setting(
        "The largest file that may be sent to a customer from the inbox, in MB.", 16, read.number(1, 100)
    )
    llm_api_url: str | None = _setting(
        "Where a language model's API is, with its version; it takes /chat/completions.",
        None,
        read.address,
        shown="none: answers come from the business's own FAQ",
    )
    llm_api_key: str | None = _setting("The key that the language model's API asks for, if it does.", secret=True)

    smtp_url: str | None = _setting(
        "The mail server for alarms: smtp://user:password@host:587 (STARTTLS) or smtps://…:465.",
        None,
        read.smtp_url,
        secret=True,
    )
    alert_webhook_secret: str | None = _setting("The secret that signs the webhooks of alarms.", secret=True)
    legacy_database_url: str | None = _setting(
        "The old system's database, for the commands `import-legacy` of monitor and inbox, and `triage import-old`.",
        None,
        read.database_url,
        secret=True,
        shown="this database, its schema `legacy`",
    )

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ, cwd: Path | None = None) -> Settings:
        """Read the settings. Raises WrongSettings, a sentence per mistake. Relative paths are below ``cwd``."""
        folder = cwd or Path.cwd()
        mistakes = list(_unknown(environ))
        values: dict[str, Any] = {}
        for one in fields(cls):
            name = PREFIX + one.name.upper()
            try:
                given = _given(environ, name, folder)
                values[one.name] = one.default if given is None else one.metadata["parse"](given, folder)
            except ValueError as error:
                mistakes.append(f"{name} {error}.")
        if not mistakes and not values["database_url"]:
            mistakes += [
                f"{PREFIX}{name.upper()} needs {PREFIX}DATABASE_URL beside it."
                for name in ("direct_database_url", "owner_database_url")
                if values[name]
            ]
        if mistakes:
            raise WrongSettings("\n".join(mistakes))
        return cls(**_filled(values, environ, folder))

    @property
    def spool_dir(self) -> Path:
        return self.data_dir / "spool"

    @property
    def spool_limit_bytes(self) -> int:
        return self.spool_limit_mb * 1024 * 1024

    @property
    def cookies_are_secure(self) -> bool:
        """Whether cookies get the Secure attribute."""
        return self.public_url.startswith("https://") if self.cookie_secure == "auto" else self.cookie_secure == "yes"

    @property
    def has_sharepoint(self) -> bool:
        """Whether anything is said of where SharePoint is; what is missing is then told as a mistake."""
        return self.sharepoint_tenant is not None or self.sharepoint_site is not None

    def secret_keys(self) -> list[bytes]:
        """Give the keys, 32 bytes each, the newest first. Makes one on the first call where none is set.

        Raises WrongSetup where the file of the key cannot be made or read.
        """
        text = self.secret_key or _kept_key(self.data_dir / "secret.key")
        if len(text) < read.KEY_LENGTH:
            raise WrongSetup(f"The key file {self.data_dir / 'secret.key'} is not whole. Restore it from a backup.")
        return [hashlib.sha256(b"tallybook:" + one.strip().encode()).digest() for one in text.split(",")]

    def __repr__(self) -> str:
        shown = (f"{one.name}={_shown(one, getattr(self, one.name))}" for one in fields(self))
        return f"Settings({', '.join(shown)})"


def known_names() -> list[str]:
    """Give every variable's name, in the order of the class."""
    return [PREFIX + one.name.upper() for one in fields(Settings)]


def as_markdown() -> str:
    """Give the text of docs/settings.md."""
    rows = [
        f"| `{PREFIX}{one.name.upper()}` | {_default_in_words(one)} | {one.metadata['says']} |"
        for one in fields(Settings)
    ]
    return "\n".join([_DOCS_HEAD, "| variable | default | what it says |", "|---|---|---|", *rows, ""])


_DOCS_HEAD = """# Settings

Made from `src/tallybook/settings.py` by `python -m tallybook.settings > docs/settings.md`. What a person edits (the
bridge, the projects and their groups) is in the projects file; `tallybook.example.toml` shows every key of it.

Each variable may also be given as the name of a file that holds the value, by the same name with `_FILE` behind it:
`TALLYBOOK_SECRET_KEY_FILE=/run/secrets/key`. Giving both is a mistake, and so is a file that cannot be read. An empty
value counts as none. A name that begins with `TALLYBOOK_` and is not in this list stops the start. Relative paths
begin at the folder in which the product is started.
"""


def _unknown(environ: Mapping[str, str]) -> Iterator[str]:
    names = known_names()
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name.startswith(_NOT_OURS):
            continue
        if name not in names and name.removesuffix("_FILE") not in names:
            nearest = difflib.get_close_matches(name, names, 1, cutoff=0)[0]
            yield f"{name} is not a setting; the nearest is {nearest}."


def _given(environ: Mapping[str, str], name: str, folder: Path) -> str | None:
    value, file = environ.get(name), environ.get(f"{name}_FILE")
    if not file:
        return value or None
    if value:
        raise ValueError(f"is given twice, also as {name}_FILE")
    try:
        return (folder / file).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        # The text of a decoding error would hold the bytes of the secret.
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"cannot be read from the file that {name}_FILE names: {reason}") from None


def _filled(values: dict[str, Any], environ: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Work out the defaults that depend on other settings or on where we run."""
    values["data_dir"] = folder / values["data_dir"]
    values["config"] = folder / values["config"]
    values["direct_database_url"] = values["direct_database_url"] or values["database_url"]
    values["owner_database_url"] = values["owner_database_url"] or values["direct_database_url"]
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(values["host"], values["host"])  # noqa: S104 - only compared
    host = f"[{host}]" if ":" in host else host
    values["public_url"] = values["public_url"] or f"http://{host}:{values['port']}"
    if not (environ.get(f"{PREFIX}LOG_FORMAT") or environ.get(f"{PREFIX}LOG_FORMAT_FILE")):
        values["log_format"] = "plain" if sys.stderr.isatty() else "json"
    return values


def _kept_key(path: Path) -> str:
    try:
        if path.exists():
            return path.read_text(encoding="utf-8")
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(read.KEY_LENGTH))
            file.flush()
            os.fsync(file.fileno())
        try:
            # Of several processes that start at once, one link succeeds; all then read the same whole file.
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise WrongSetup(f"The key file {path} cannot be made or read: {error.strerror}.") from error


def _shown(one: Field[Any], value: Any) -> str:
    return "[set]" if one.metadata["secret"] and value is not None else repr(value)


def _default_in_words(one: Field[Any]) -> str:
    if one.metadata["shown"] or one.default is None:
        return one.metadata["shown"] or "none"
    return f"`{one.default}`"


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
