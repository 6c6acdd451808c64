from tallybook.core.migrate import before, run_file

revision = "0035"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0035_pre_triage_nobody.sql")
