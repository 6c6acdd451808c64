from tallybook.core.migrate import before, run_file

revision = "0040"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0040_pre_triage_calendars.sql")
