"""What reading costs with a long history behind it: the dashboard, a year's statistics, an export.

``python bench/history.py --reviews 1000000`` fills an empty business set-wise, about 900 reviews a day back from today,
and asks for each page again and again; beside it stands the plain aggregate of the same year.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import statistics as numbers
import tempfile
import time
from pathlib import Path

import httpx
import psycopg
from figures import Figure, as_shipped, as_table, say

from tallybook.app import App, first_business, open_app
from tallybook.cli.opening import on_server
from tallybook.core import api_tokens, embedded, environment, log, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Scope
from tallybook.demo.setup import write_projects
from tallybook.monitor import statistics_jobs
from tallybook.monitor.types import STEP_COLUMNS
from tallybook.settings import Settings
from tallybook.web.server import application

A_DAY, ROUNDS, BAR = 900, 200, 50.0
PROJECTS = """
insert into monitor_projects (business_id, name, kind, drop_space, group_jid, validated)
select %(business)s, name, 'qa', 'fibre', name || '@g.us', false
from unnest('{Lawley,Mohadin,Mamelodi,Etwatwa}'::text[]) as u (name)
on conflict (business_id, name) do nothing
"""
# Reviews one behind the other up to now; every fifth is posted again some days later, seven of ten are complete.
SEEDED = """
create temporary table seeded on commit preserve rows as
select n, 'DR' || (1000000 + n) as drop_number, (array['Lawley','Mohadin','Mamelodi','Etwatwa'])[1 + n %% 4] as project,
    said_at, n %% 5 = 0 and said_at + later < now() as again, later, n %% 10 < 7 as completed,
    '+2782000' || lpad((n %% 60)::text, 4, '0') as phone
from generate_series(1, %(count)s) n
cross join lateral (select now() - make_interval(secs => (%(count)s - n) * 86400.0 / %(a_day)s) as said_at,
    make_interval(days => 1 + n / 5 %% 9) as later) t
"""
DROPS = """
insert into drops (business_id, space, drop_number, last_posted_at)
select %(business)s, 'fibre', drop_number, case when again then said_at + later else said_at end
from seeded
"""
SUBMISSIONS = """
insert into qa_submissions (business_id, space, drop_number, message_id, project, sender_phone, said_at, effect)
select %(business)s, 'fibre', drop_number, n, project, phone, said_at, 'created' from seeded
union all
select %(business)s, 'fibre', drop_number, 100000000 + n, project, phone, said_at + later, 'resubmitted'
from seeded where again
"""
REVIEWS = f"""
insert into qa_photo_reviews (business_id, space, drop_number, project, review_date, user_name, whatsapp_message_date,
    created_at, last_said_at, completed, resubmitted, {", ".join(STEP_COLUMNS)}, incorrect_comments)
select %(business)s, 'fibre', drop_number, project, (said_at at time zone 'Africa/Johannesburg')::date, phone, said_at,
    said_at, case when again then said_at + later else said_at end, completed, again and n %% 100 = 0,
    {", ".join(f"completed or n %% {place + 3} > 0" for place in range(len(STEP_COLUMNS)))},
    case when not completed and n %% 7 = 0 then '{{"step_08_ont_barcode": "Blurry"}}'::jsonb else '{{}}' end
from seeded
"""
AUDIT = """
insert into audit_log (business_id, at, who, account_id, action, subject, subject_id, after)
select %(business)s, r.whatsapp_message_date + interval '1 hour', 'Bench', %(account)s, 'review.saved', 'review',
    r.id::text, jsonb_build_object('completed', r.completed)
from qa_photo_reviews r where r.business_id = %(business)s
"""
PLAIN = f"""
select r.project, count(distinct r.drop_number),
    count(distinct r.drop_number) filter (where r.completed and not r.resubmitted),
    count(distinct r.drop_number) filter (where s.again),
    {", ".join(f"count(*) filter (where not r.completed and not r.{column})" for column in STEP_COLUMNS)}
from qa_photo_reviews r
join (
    select space, drop_number, bool_or(effect = 'resubmitted') as again from qa_submissions
    where business_id = %(business)s and said_at >= now() - interval '365 days'
    group by 1, 2) s using (space, drop_number)
where r.business_id = %(business)s
group by 1
"""


def fill(superuser: str, business: Business, account: int, count: int) -> None:
    """A history of so many reviews, and the statistics of tables that a server of some age has."""
    given = {"business": business.id, "count": count, "a_day": A_DAY, "account": account}
    with psycopg.connect(superuser, autocommit=True) as conn:
        for statement in (PROJECTS, SEEDED, DROPS, SUBMISSIONS, REVIEWS, AUDIT):
            conn.execute(statement, given)
    settle(superuser)


def settle(superuser: str) -> None:
    """What autovacuum does by itself, done before anything is measured."""
    with psycopg.connect(superuser, autocommit=True) as conn:
        conn.execute("vacuum analyze")
        conn.execute("checkpoint")


def plain(superuser: str, business: Business) -> float:
    """Milliseconds of the aggregate that needs no counts to be kept, its best of three."""
    took = []
    with psycopg.connect(superuser) as conn:
        for _ in range(3):
            began = time.perf_counter()
            conn.execute(PLAIN, {"business": business.id}).fetchall()
            took.append((time.perf_counter() - began) * 1000)
    return min(took)


async def asked(client: httpx.AsyncClient, path: str, rounds: int) -> list[float]:
    """Milliseconds of each answer, after some that warm it up."""
    took = []
    for place in range(rounds + 10):
        began = time.perf_counter()
        answer = await client.get(path)
        took.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
        if place < 10:
            took.clear()
    return took


async def measure(app: App, superuser: str, count: int) -> list[Figure]:
    business = await app.db.run("business", lambda conn: first_business(conn, app.settings))
    if business is None:
        raise AssertionError("the folder was not empty")
    system = people.command_line(business.id)
    person = people.NewPerson(login="bench", name="Bench", role=people.Role.ADMIN, password="violet cable drum 7")
    account, _ = await app.db.run("person", lambda conn: people.add_person(conn, app.passwords, system, person))
    token = await app.db.run("token", lambda conn: api_tokens.create(conn, system, "bench", frozenset({Scope.READ})))
    say(f"writing {count:,} reviews")
    fill(superuser, business, account, count)
    say("counting every day once")
    began = time.perf_counter()
    await statistics_jobs.whole(app.db, business)
    whole = time.perf_counter() - began
    settle(superuser)
    headers = {"authorization": f"Bearer {token}", "accept": "text/html", "accept-encoding": "gzip"}
    transport = httpx.ASGITransport(application(app), client=("127.0.0.1", 50000))
    figures = [Figure(f"every day counted once, {count:,} reviews", f"{whole:.1f} s", "", None, "", None)]
    beside = plain(superuser, business)
    async with httpx.AsyncClient(transport=transport, base_url="http://bench", headers=headers, timeout=600) as client:
        for name, path in (
            ("the dashboard", "/wa-monitor"),
            ("the list of any day", "/wa-monitor?from=&to="),
            ("a year's statistics", "/wa-monitor/statistics?days=365"),
            ("thirty days' statistics", "/wa-monitor/statistics"),
            ("marketing", "/wa-monitor/marketing"),
        ):
            took = sorted(await asked(client, path, min(ROUNDS, count // 100)))
            p50, p99 = numbers.median(took), took[int(len(took) * 0.99)]
            against = "statistics" in name
            figures.append(
                Figure(
                    name, f"{p50:.1f} ms, p99 {p99:.1f} ms", f"{beside:.0f} ms the plain aggregate" if against else "",
                    beside / p50 if against else None, f"p99 < {BAR:g} ms", p99 < BAR,
                )
            )  # fmt: skip
        began = time.perf_counter()
        answer = await client.get("/wa-monitor/export.csv?from=&to=")
        took_all = time.perf_counter() - began
        figures.append(
            Figure(f"all rows as CSV, {len(answer.content) / 1e6:.0f} MB", f"{took_all:.1f} s", "", None, "", None)
        )
    return figures


async def measured(count: int) -> list[Figure]:
    """The figures of a history of so many reviews, on a server of its own."""
    with tempfile.TemporaryDirectory(prefix="tallybook-bench-") as place:
        folder = Path(place)
        settings = dataclasses.replace(
            Settings.load({"TALLYBOOK_LOG_LEVEL": "warning"}, folder), data_dir=folder, config=folder / "tallybook.toml"
        )
        log.configure("json", None, settings.log_level, "prod", settings.secret_keys()[0])
        write_projects(settings.config)
        async with embedded.running(folder, exclusive=False) as server:
            role = environment.role_of("prod")
            await environment.create(server.owner_url, "prod", {role: server.password_for(role)})
            async with open_app(on_server(settings, server)) as app:
                return await measure(app, server.superuser_url, count)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reviews", type=int, default=1_000_000)
    count = parser.parse_args().reviews
    as_shipped()
    print(as_table(await measured(count)))


if __name__ == "__main__":
    asyncio.run(main())
