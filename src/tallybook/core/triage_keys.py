"""The natural keys of triage, declared once. keys.py has them among all others.

Periods that must be apart are held by exclusion constraints, which are declared here too; no ON CONFLICT can name them.
"""

from __future__ import annotations

from .key import Apart, Key

TRIAGE_TEAM = Key("triage_teams", "triage_teams_name_key", ("business_id", "folded"), "teams of one name")
DISCIPLINE = Key(
    "triage_disciplines",
    "triage_disciplines_pkey",
    ("business_id", "team_id", "code"),
    "disciplines of one code in one team",
)
TRIAGE_PERSON = Key("triage_people", "triage_people_pkey", ("business_id", "slack_id"), "one person of Slack")
TRIAGE_ACCOUNT = Key(
    "triage_people", "triage_people_account_key", ("business_id", "account_id"), "people of Slack with one account"
)
MEMBERSHIP = Key(
    "triage_memberships",
    "triage_memberships_since_key",
    ("business_id", "team_id", "discipline", "slack_id", "since"),
    "one joining of one discipline by one person",
)
ROSTER = Key(
    "triage_rosters",
    "triage_rosters_pkey",
    ("business_id", "team_id", "discipline", "number"),
    "versions of one number of one discipline's roster",
)
SPRINT = Key("sprints", "sprints_index_key", ("business_id", "team_id", "sprint_index"), "sprints of one number")
ABSENCE = Key("triage_absences", "triage_absences_asked_key", ("business_id", "key"), "requests for one absence")
HOLIDAY = Key("triage_holidays", "triage_holidays_pkey", ("business_id", "team_id", "day"), "holidays on one day")
OVERRIDE = Key("overrides", "overrides_asked_key", ("business_id", "key"), "requests for one override")
TRIAGE_STATE = Key("triage_states", "triage_states_pkey", ("business_id", "team_id"), "states of one team")
ANNOUNCEMENT = Key(
    "triage_announcements",
    "triage_announcements_pkey",
    ("business_id", "team_id", "kind", "boundary"),
    "announcements of one kind of one boundary",
)
TRIAGE_LOOK = Key("triage_looks", "triage_looks_pkey", ("business_id", "team_id"), "looks at one team")
TRIAGE_TOLD = Key(
    "triage_told",
    "triage_told_pkey",
    ("business_id", "team_id", "kind", "what", "recipient"),
    "warnings of one thing to one person",
)
KEPT_ORDER = Key("triage_kept_orders", "triage_kept_orders_pkey", ("business_id", "key"), "one thing that was sent in")
TRIAGE_SHOWN = Key(
    "triage_shown", "triage_shown_pkey", ("business_id", "kind", "target"), "states of one user group or topic"
)
TRIAGE_HOME = Key("triage_homes", "triage_homes_pkey", ("business_id", "account", "slack_id"), "homes of one person")
TRIAGE_FEED = Key("triage_feeds", "triage_feeds_token_key", ("business_id", "token_hash"), "calendars of one secret")
TRIAGE_FEED_EVENT = Key(
    "triage_feed_events",
    "triage_feed_events_pkey",
    ("business_id", "feed_id", "uid"),
    "events of one name in one calendar",
)
TRIAGE_CALENDAR = Key(
    "triage_calendars",
    "triage_calendars_address_key",
    ("business_id", "slack_id", "address_hash"),
    "calendars of one address for one person",
)
TRIAGE_IMPORT = Key(
    "triage_imports", "triage_imports_pkey", ("business_id", "team_id", "number"), "imports of one number into one team"
)
TRIAGE_IMPORT_ROW = Key(
    "triage_import_rows",
    "triage_import_rows_pkey",
    ("business_id", "team_id", "number", "source", "place"),
    "rows of one place in one import",
)

MEMBERSHIPS_APART = Apart(
    "triage_memberships",
    "triage_memberships_apart",
    "exclude using gist (business_id with =, team_id with =, discipline with =, slack_id with =, "
    "tstzrange(since, until) with &&)",
    "times of one person in one discipline",
)
SPRINTS_APART = Apart(
    "sprints",
    "sprints_apart",
    "exclude using gist (business_id with =, team_id with =, tstzrange(starts_at, ends_at) with &&)",
    "sprints of one team",
)
APPROVED_APART = Apart(
    "overrides",
    "overrides_approved_apart",
    "exclude using gist (business_id with =, team_id with =, role with =, tstzrange(starts_at, ends_at) with &&) "
    "where (state::text = 'approved')",
    "approved overrides of one discipline",
)
PENDING_APART = Apart(
    "overrides",
    "overrides_pending_apart",
    "exclude using gist (business_id with =, team_id with =, role with =, tstzrange(starts_at, ends_at) with &&) "
    "where (state::text = 'pending')",
    "waiting requests of one discipline",
)
