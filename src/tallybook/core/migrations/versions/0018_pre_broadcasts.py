from tallybook.core.migrate import before, run_file

revision = "0018"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0018_pre_broadcasts.sql")
