from tallybook.core.migrate import before, run_file

revision = "0033"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0033_pre_triage_imports.sql")
