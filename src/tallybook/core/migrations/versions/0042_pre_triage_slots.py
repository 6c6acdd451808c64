from tallybook.core.migrate import before, run_file

revision = "0042"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0042_pre_triage_slots.sql")
