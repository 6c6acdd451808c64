"""What the settings promise: a mistake is told at once and by name, and no secret is shown."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import pytest

from tallybook.core.errors import WrongSetup
from tallybook.projects_file import read_projects_file
from tallybook.settings import Settings, as_markdown, known_names

ROOT = Path(__file__).parent.parent
SECRET = "MARKED-SECRET-OF-MORE-THAN-32-CHARACTERS"
DATABASE = "postgresql://tally:MARKED-SECRET@127.0.0.1/tally"


def mistakes_of(environ: dict[str, str], cwd: Path) -> str:
    with pytest.raises(WrongSetup) as refused:
        Settings.load(environ, cwd)
    assert "MARKED" not in str(refused.value)
    return str(refused.value)


def test_nothing_set_gives_one_machine_with_its_own_database(tmp_path: Path) -> None:
    settings = Settings.load({"PATH": "/bin", "TALLYBOOK_TEST_POSTGRES": "x"}, tmp_path)
    assert (settings.env, settings.host, settings.port) == ("prod", "127.0.0.1", 8080)
    assert settings.database_url is settings.direct_database_url is settings.owner_database_url is None
    assert settings.data_dir == tmp_path / "data"
    assert settings.config == tmp_path / "tallybook.toml"
    assert settings.public_url == "http://127.0.0.1:8080"
    assert not settings.cookies_are_secure
    assert settings.spool_limit_bytes == 512 * 1024 * 1024


def test_each_database_url_falls_back_to_the_one_before(tmp_path: Path) -> None:
    direct = DATABASE.replace("127.0.0.1", "direct")
    settings = Settings.load({"TALLYBOOK_DATABASE_URL": DATABASE, "TALLYBOOK_DIRECT_DATABASE_URL": direct}, tmp_path)
    assert (settings.direct_database_url, settings.owner_database_url) == (direct, direct)
    assert "TALLYBOOK_OWNER_DATABASE_URL needs" in mistakes_of({"TALLYBOOK_OWNER_DATABASE_URL": DATABASE}, tmp_path)


@pytest.mark.parametrize("name", known_names())
def test_every_setting_may_come_from_a_file_and_an_unreadable_one_is_a_mistake(name: str, tmp_path: Path) -> None:
    values = {
        "ENV": "dev",
        "PORT": "81",
        "WORKER_METRICS_PORT": "82",
        "SPOOL_LIMIT_MB": "3",
        "INBOX_FILE_MB": "4",
        "INBOX_UPLOAD_MB": "5",
        "SLACK_TRIES": "6",
        "TRANSACTION_TRIES": "8",
        "SLACK_LONGEST_PAUSE": "7",
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "debug",
    }
    values |= {"TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8"}
    values |= {"SMTP_URL": "smtp://ana:MARKED@mail.example.org:587"}
    values |= {"COOKIE_SECURE": "yes", "SLACK_PICTURES": "yes", "DATABASE_URL": DATABASE}
    short = name.removeprefix("TALLYBOOK_")
    value = values.get(short) or (DATABASE if short.endswith("DATABASE_URL") else "https://example.org/" + "x" * 40)
    (tmp_path / "secret").write_text(f"{value}\n")
    environ = {f"{name}_FILE": "secret"} | ({} if short == "DATABASE_URL" else {"TALLYBOOK_DATABASE_URL": DATABASE})
    assert Settings.load(environ, tmp_path) == Settings.load({name: value} | environ | {f"{name}_FILE": ""}, tmp_path)
    assert f"{name} is given twice" in mistakes_of(environ | {name: value}, tmp_path)
    assert f"{name} cannot be read" in mistakes_of({f"{name}_FILE": "absent"}, tmp_path)
    (tmp_path / "secret").write_bytes(b"MARKED\xff")
    assert f"{name} cannot be read" in mistakes_of({f"{name}_FILE": "secret"}, tmp_path)


def test_all_mistakes_are_told_at_once_by_name_and_never_by_value(tmp_path: Path) -> None:
    text = mistakes_of(
        {
            "TALLYBOOK_PORT": "MARKED",
            "TALLYBOOK_ENV": "MARKED",
            "TALLYBOOK_DATABASE_URL": "mysql://MARKED",
            "TALLYBOOK_PUBLIC_URL": "https://[MARKED",
            "TALLYBOOK_LLM_API_URL": "https://user:MARKED@example.org",
            "TALLYBOOK_SECRET_KEY": "MARKED",
            "TALLYBOOK_SPOOL_LIMIT_MB": "0",
            "TALLYBOOK_DATABSE_URL": "MARKED",
            "TALLYBOOK_SLACK_SIGNING_SECRT_FILE": "MARKED",
        },
        tmp_path,
    )
    assert len(text.splitlines()) == 9
    assert "TALLYBOOK_DATABSE_URL is not a setting; the nearest is TALLYBOOK_DATABASE_URL." in text
    assert "the nearest is TALLYBOOK_SLACK_SIGNING_SECRET." in text
    assert "TALLYBOOK_PORT must be a whole number from 0 to 65535." in text


def test_a_repr_shows_no_secret(tmp_path: Path) -> None:
    secret = {f"TALLYBOOK_{one.name.upper()}" for one in fields(Settings) if one.metadata["secret"]}
    environ = {name: DATABASE if name.endswith("DATABASE_URL") else SECRET for name in secret}
    environ["TALLYBOOK_SMTP_URL"] = "smtp://ana:MARKED@mail.example.org:587"
    settings = Settings.load(environ, tmp_path)
    assert len(secret) >= 14
    assert "MARKED" not in repr(settings) + str(settings) + f"{settings!r:.9999}"
    assert "database_url=[set]" in repr(settings)
    assert "slack_bot_token=None" in repr(Settings.load({}, tmp_path))


def test_the_key_is_made_once_even_by_many_at_once_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings.load({}, tmp_path)
    with ThreadPoolExecutor(8) as threads:
        keys = {keys[0] for keys in threads.map(lambda _: Settings.load({}, tmp_path).secret_keys(), range(32))}
    assert keys == {settings.secret_keys()[0]}
    (kept,) = (tmp_path / "data").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    kept.write_text("")
    with pytest.raises(WrongSetup, match="not whole"):
        settings.secret_keys()


def test_keys_are_rotated_by_putting_the_new_one_first(tmp_path: Path) -> None:
    old = Settings.load({"TALLYBOOK_SECRET_KEY": "o" * 32}, tmp_path).secret_keys()
    both = Settings.load({"TALLYBOOK_SECRET_KEY": f"{'n' * 32}, {'o' * 32}"}, tmp_path).secret_keys()
    assert [len(key) for key in both] == [32, 32]
    assert both[1:] == old
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("environ", "secure"),
    [
        ({"TALLYBOOK_PUBLIC_URL": "https://tally.example/"}, True),
        ({"TALLYBOOK_PUBLIC_URL": "https://tally.example", "TALLYBOOK_COOKIE_SECURE": "no"}, False),
        ({"TALLYBOOK_COOKIE_SECURE": "yes"}, True),
        ({"TALLYBOOK_HOST": "0.0.0.0"}, False),
    ],
)
def test_cookies_are_secure_where_the_public_address_is(environ: dict[str, str], secure: bool, tmp_path: Path) -> None:
    assert Settings.load(environ, tmp_path).cookies_are_secure is secure


def test_an_address_that_listens_everywhere_is_not_the_public_one(tmp_path: Path) -> None:
    assert Settings.load({"TALLYBOOK_HOST": "0.0.0.0"}, tmp_path).public_url == "http://localhost:8080"
    assert Settings.load({"TALLYBOOK_HOST": "::1"}, tmp_path).public_url == "http://[::1]:8080"


def test_the_documented_settings_are_the_real_ones() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == as_markdown(), (
        "run: python -m tallybook.settings > docs/settings.md"
    )
    printed = subprocess.run([sys.executable, "-m", "tallybook.settings"], capture_output=True, check=True)
    assert printed.stdout.decode() == as_markdown()


def test_every_setting_named_in_the_source_is_declared() -> None:
    known = {*known_names(), *(f"{name}_FILE" for name in known_names())}
    for path in (ROOT / "src").rglob("*.py"):
        names = re.findall(r"TALLYBOOK_[A-Z][A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))
        assert {name for name in names if not name.startswith("TALLYBOOK_TEST")} <= known, path


NUMBERS_WANTED = 'must be a list of phone numbers with their country code, such as ["+27820000001"].'
PROJECT = """
[[monitor.projects]]
name = "{name}"
group = "{group}@g.us"
kind = "qa"
"""


def file_mistakes(folder: Path, text: str) -> list[str]:
    path = folder / "tallybook.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(WrongSetup) as refused:
        read_projects_file(path)
    return str(refused.value).splitlines()


def test_a_text_that_no_database_can_hold_is_a_mistake_with_its_line(tmp_path: Path) -> None:
    text = """[[monitor.projects]]
name = "Law\\u0000ley"
group = "120363000000000001@g.us"
kind = "qa"
environments = ["prod", "de\\u0000v"]
"""
    assert file_mistakes(tmp_path, text) == [
        "tallybook.toml line 2: name holds a character that cannot be stored (NUL).",
        "tallybook.toml line 5: environments holds a character that cannot be stored (NUL).",
    ]


def test_the_example_file_holds_the_known_projects() -> None:
    file = read_projects_file(ROOT / "tallybook.example.toml")
    spaces = {project.name: (project.kind, project.drop_space, project.validated) for project in file.monitor.projects}
    assert spaces == {
        "Lawley": ("qa", "fibre", True),
        "Mohadin": ("qa", "fibre", True),
        "Mamelodi": ("qa", "fibre", False),
        "Velo Test": ("qa", "Velo Test", False),
        "Marketing Activations": ("marketing", "Marketing Activations", False),
    }
    assert [project.name for project in file.monitor.read_by("dev")] == ["Velo Test"]
    assert len(file.monitor.read_by("prod")) == 5
    assert file.monitor.time_zone == "Africa/Johannesburg"
    assert file.bridge is not None
    assert file.bridge.messages == ROOT / "store" / "messages.db"
    assert (file.bridge.account, file.bridge.own_numbers, file.bridge.poll_seconds) == ("primary", (), 1.0)


def test_every_key_of_the_example_is_known_even_those_behind_a_comment_sign(tmp_path: Path) -> None:
    text = (ROOT / "tallybook.example.toml").read_text(encoding="utf-8")
    path = tmp_path / "tallybook.toml"
    path.write_text(re.sub(r"(?m)^# (?=\w+ = |\[)", "", text), encoding="utf-8")
    file = read_projects_file(path)
    assert file.bridge is not None
    assert file.bridge.own_numbers == ("+27820000001",)
    assert (file.alerts.mail[0].to, file.alerts.webhook[0].name) == (("ana@example.org",), "pager")
    velo = file.monitor.projects[3]
    assert velo.own_posts_count
    assert velo.pattern is not None
    assert re.findall(velo.pattern, "DR_TEST123 and DR1752104") == ["DR_TEST123", "DR1752104"]


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    text = """\
[bridge]
mesages = "store/messages.db"
own_numbers = ["0820000001"]
poll_seconds = 0
[monitor]
time_zone = "Africa/Nowhere"

[[monitor.projects]]     # the first
name = "Lawley"
group = "120363000000000001@s.whatsapp.net"
kind = "sales"
validated = "yes"

[[monitor.projects]]
name = "Lawley"
group = "120363000000000002@g.us"
kind = "qa"
environments = "prod"
pattern = "DR("
[[monitor.projects]]
name = "Other"
group = "120363000000000002@g.us"
environments = ["prod", "dev"]
[moniter]
"""
    told = file_mistakes(tmp_path, text)
    assert told == [
        "tallybook.toml line 1: messages is missing.",
        "tallybook.toml line 2: mesages is not known here; the nearest is messages.",
        f"tallybook.toml line 3: own_numbers {NUMBERS_WANTED}",
        "tallybook.toml line 4: poll_seconds must be a number of seconds above 0.",
        'tallybook.toml line 6: time_zone must be a time zone such as "Africa/Johannesburg".',
        "tallybook.toml line 10: group must end in @g.us, with the group's number before it.",
        'tallybook.toml line 11: kind must be "qa" or "marketing".',
        "tallybook.toml line 12: validated must be true or false.",
        'tallybook.toml line 15: name "Lawley" is also that of the project in line 9.',
        'tallybook.toml line 18: environments must be a list of environments, such as ["prod"].',
        "tallybook.toml line 19: pattern is not a regular expression: missing ), unterminated subpattern.",
        "tallybook.toml line 20: kind is missing.",
        "tallybook.toml line 22: group is also that of the project in line 16, both in prod.",
        "tallybook.toml line 24: moniter is not known here; the nearest is monitor.",
    ]


def test_one_group_may_be_read_by_two_projects_of_different_environments(tmp_path: Path) -> None:
    one = PROJECT.format(name="Real", group="1203") + PROJECT.format(name="Trial", group="1203")
    path = tmp_path / "tallybook.toml"
    path.write_text(one + 'environments = ["dev"]\n')
    assert [project.name for project in read_projects_file(path).monitor.read_by("dev")] == ["Trial"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[bridge]\nmessages = \n", "tallybook.toml line 2: Invalid value"),
        ("[bridge]\n\nx = [\n\n", "tallybook.toml line 3: Invalid value"),
        ("x = [", "tallybook.toml line 1: Invalid value"),
        ("a = 1\na = 2\n", "tallybook.toml line 2: Cannot overwrite a value"),
        ("monitor = 3", "tallybook.toml line 1: monitor must be a table, written as [monitor]."),
        ("[monitor]\nprojects = 3", "tallybook.toml line 2: projects must be written as [[monitor.projects]]."),
        ("[monitor]\nprojects = [{name = 'A', group = '12@g.us'}]", "tallybook.toml line 2: kind is missing."),
        ("[monitor]\n\ntime_zone = ''", "tallybook.toml line 3: time_zone must be a time zone"),
        ("[[monitor.projects]]\nkind = ['qa']\nname='A'\ngroup='1@g.us'", 'tallybook.toml line 2: kind must be "qa"'),
        ("[[monitor.projects]]\npattern = 'x*'\nname='A'\ngroup='1@g.us'\nkind='qa'", "line 2: pattern must not match"),
    ],
)
def test_a_file_of_another_shape_keeps_its_lines(text: str, told: str, tmp_path: Path) -> None:
    assert told in file_mistakes(tmp_path, text)[0]


def test_an_empty_file_watches_nothing_and_an_absent_one_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "tallybook.toml"
    path.write_text("")
    file = read_projects_file(path)
    assert (file.bridge, file.monitor.projects) == (None, ())
    with pytest.raises(WrongSetup, match="cannot be read"):
        read_projects_file(tmp_path / "absent.toml")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(WrongSetup, match="not UTF-8"):
        read_projects_file(path)
