from tallybook.core.migrate import before, run_file

revision = "0017"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0017_pre_automation.sql")
