"""The natural keys of triage, declared once. keys.py has them among all others.

Periods that must be apart are held by exclusion constraints, which are named here too; no ON CONFLICT can name them.
"""

from __future__ import annotations

from .key import Key

TRIAGE_TEAM = Key("triage_teams", "triage_teams_name_key", ("business_id", "folded"), "teams of one name")
DISCIPLINE = Key(
    "triage_disciplines",
    "triage_disciplines_pkey",
    ("business_id", "team_id", "code"),
    "disciplines of one code in one team",
)
TRIAGE_PERSON = Key("triage_people", "triage_people_pkey", ("business_id", "slack_id"), "one person of Slack")
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

MEMBERSHIPS_APART = "triage_memberships_apart"
SPRINTS_APART = "sprints_apart"
APPROVED_APART = "overrides_approved_apart"
PENDING_APART = "overrides_pending_apart"
EXCLUSIONS = (MEMBERSHIPS_APART, SPRINTS_APART, APPROVED_APART, PENDING_APART)
