from tallybook.core.migrate import before, run_file

revision = "0030"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0030_pre_triage.sql")
