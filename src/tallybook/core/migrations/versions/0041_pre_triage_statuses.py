from tallybook.core.migrate import before, run_file

revision = "0041"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0041_pre_triage_statuses.sql")
