"""The natural keys, declared once. Migrations create them, ON CONFLICT names them, key_check.py holds them.

Those of the inbox stand in inbox_keys.py, those of triage in triage_keys.py, and in NATURAL_KEYS among all others.
"""

from __future__ import annotations

from . import inbox_keys, triage_keys
from .key import Apart, Key

BUSINESS = Key("businesses", "businesses_name_key", ("name",), "businesses of one name")
ACCOUNT = Key("accounts", "accounts_login_key", ("login",), "accounts of one login name")
ACCOUNT_ROLE = Key(
    "account_roles", "account_roles_pkey", ("business_id", "account_id"), "roles of one account in one business"
)
SESSION = Key("sessions", "sessions_pkey", ("token_hash",), "sessions of one cookie")
API_TOKEN = Key("api_tokens", "api_tokens_token_hash_key", ("token_hash",), "one API token")
DELIVERY = Key("deliveries", "deliveries_channel_body_key", ("channel", "body_sha256"), "retries of one webhook body")
JOB = Key("jobs", "jobs_kind_key_key", ("kind", "key"), "requests for one piece of work")
SCHEDULE = Key("schedules", "schedules_pkey", ("name",), "schedules of one name")
HEARTBEAT = Key("heartbeats", "heartbeats_pkey", ("name",), "signs of life of one process")
POSITION = Key(
    "source_positions",
    "source_positions_pkey",
    ("business_id", "channel", "account"),
    "reading positions of one source",
)
MESSAGE = Key(
    "messages",
    "messages_natural_key",
    ("business_id", "channel", "scope", "external_id", "kind"),
    "arrivals of one message",
)
REVISION = Key(
    "message_revisions",
    "message_revisions_pkey",
    ("business_id", "message_id", "revision"),
    "one earlier text of a message",
)
OUTGOING = Key("outbox", "outbox_dedup_key", ("business_id", "channel", "dedup_key"), "one thing to be sent")
SENDING_LINE = Key(
    "sending_lines", "sending_lines_pkey", ("business_id", "channel", "account"), "one number to send by"
)
SENDING_MOMENT = Key(
    "sending_moments", "sending_moments_pkey", ("business_id", "outgoing_id", "at"), "one try to send one thing"
)
SENDING_STOP = Key("sending_stops", "sending_stops_pkey", ("business_id", "channel"), "stops of one channel")
REPLY = Key(
    "monitor_replies",
    "monitor_replies_pkey",
    ("business_id", "project", "drop_number", "message_id", "kind"),
    "replies to one cause",
)
PROJECT = Key("monitor_projects", "monitor_projects_pkey", ("business_id", "name"), "projects of one name")
DROP = Key("drops", "drops_pkey", ("business_id", "space", "drop_number"), "one drop in its drop space")
REVIEW = Key(
    "qa_photo_reviews",
    "qa_photo_reviews_drop_key",
    ("business_id", "space", "drop_number", "review_date"),
    "reviews of one drop, in one drop space, on one date",
)
SUBMISSION = Key(
    "qa_submissions",
    "qa_submissions_pkey",
    ("business_id", "space", "drop_number", "message_id"),
    "one post of a drop",
)
ACTIVATION = Key(
    "marketing_activations",
    "marketing_activations_drop_key",
    ("business_id", "project", "drop_number"),
    "activations of one drop in one marketing project",
)
MARKETING_POST = Key(
    "marketing_posts",
    "marketing_posts_pkey",
    ("business_id", "project", "drop_number", "message_id"),
    "one marketing post of a drop",
)
FEEDBACK = Key(
    "review_feedback", "review_feedback_pkey", ("business_id", "review_id", "number"), "presses of one “Send feedback”"
)
DROP_PHOTO = Key(
    "drop_photos",
    "drop_photos_pkey",
    ("business_id", "space", "drop_number", "message_id"),
    "what was said of one photo of one drop",
)
MESSAGE_FILE = Key("message_files", "message_files_pkey", ("business_id", "message_id"), "files of one message")
VALID_DROP = Key(
    "valid_drop_numbers",
    "valid_drop_numbers_pkey",
    ("business_id", "drop_number", "project"),
    "entries of one drop in one project's list",
)
INVALID_DROP = Key(
    "invalid_drop_submissions",
    "invalid_drop_submissions_post_key",
    ("business_id", "project", "drop_number", "message_id"),
    "one post of an unknown drop",
)
HELD_POST = Key(
    "held_posts",
    "held_posts_pkey",
    ("business_id", "project", "drop_number", "message_id"),
    "one post that waits to be judged",
)
VALID_IMPORT = Key("valid_imports", "valid_imports_pkey", ("business_id", "id"), "imports of one number")
VALIDITY_TURN = Key("validity_turns", "validity_turns_pkey", ("business_id", "work"), "turns of one kind of work")

SHAREPOINT_TURN = Key("sharepoint_turns", "sharepoint_turns_pkey", ("business_id",), "turns of one business")
SHAREPOINT_RUN = Key("sharepoint_runs", "sharepoint_runs_pkey", ("business_id", "id"), "records of one run")
SHAREPOINT_ITEM = Key(
    "sharepoint_items",
    "sharepoint_items_pkey",
    ("business_id", "day", "project"),
    "items of one project's day in the list",
)
SHAREPOINT_FILE = Key("sharepoint_files", "sharepoint_files_pkey", ("business_id", "day"), "workbooks of one day")
RECONCILIATION = Key(
    "reconciliations", "reconciliations_asked_key", ("business_id", "asked_sha256"), "lists of one file, asked alike"
)
REGISTER_CHECK = Key("register_checks", "register_checks_pkey", ("business_id", "run"), "runs of one check")
REGISTER_GAP = Key(
    "register_gaps",
    "register_gaps_pkey",
    ("business_id", "register", "drop_number", "message_id"),
    "one post missing from one register",
)
REGISTER_DAY = Key(
    "register_days",
    "register_days_pkey",
    ("business_id", "project", "day", "register"),
    "one project's day in one register",
)
DROP_LOCATION = Key("drop_locations", "drop_locations_pkey", ("business_id", "drop_number"), "places of one drop")
STATISTICS_MARK = Key("statistics_marks", "statistics_marks_pkey", ("business_id", "id"), "marks of one number")
STATISTICS_TURN = Key("statistics_turns", "statistics_turns_pkey", ("business_id",), "turns of one business's counting")
STATISTICS_DAY = Key(
    "statistics_days",
    "statistics_days_pkey",
    ("business_id", "day", "register", "project", "since"),
    "counts of one day in one project, of drops last posted there on one other",
)
STATISTICS_PERSON = Key(
    "statistics_people",
    "statistics_people_pkey",
    ("business_id", "day", "role", "project", "who"),
    "counts of one person's day in one project",
)
ALARM = Key("alarms", "alarms_pkey", ("business_id", "name"), "alarms of one cause")
ALARM_EPISODE = Key(
    "alarm_episodes", "alarm_episodes_pkey", ("business_id", "name", "number"), "one time that an alarm was told"
)

ENVIRONMENT_REPORT = Key(
    "environment_reports",
    "environment_reports_pkey",
    ("business_id", "environment"),
    "comparisons with one environment",
)
CHANNEL_ACCOUNT = Key("channel_accounts", "channel_accounts_pkey", ("channel", "account"), "one account of a channel")
CHANNEL_ARRIVALS = Key(
    "channel_arrivals",
    "channel_arrivals_pkey",
    ("business_id", "channel", "account"),
    "counts of what came for one account",
)

SERVER_LOG_POSITION = Key(
    "server_log_positions", "server_log_positions_pkey", ("file",), "places in one file of the server's log"
)

PERIODS_APART: tuple[Apart, ...] = tuple(value for value in vars(triage_keys).values() if isinstance(value, Apart))
NATURAL_KEYS: tuple[Key, ...] = tuple(
    value
    for value in (*vars(inbox_keys).values(), *vars(triage_keys).values(), *globals().values())
    if isinstance(value, Key)
)

# Tables that belong to the installation, not to one business; a test holds this list against the catalogue.
DIRECTORY_TABLES = frozenset({
    "businesses",
    "accounts",
    "sessions",
    "api_tokens",
    "login_attempts",
    "channel_accounts",
    "deliveries",
    "jobs",
    "schedules",
    "heartbeats",
    "constraint_violations",
    "doctor_runs",
    "server_log_positions",
    "alembic_version",
})  # fmt: skip
