from tallybook.core.migrate import before, run_file

revision = "0039"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0039_pre_triage_unused.sql")
