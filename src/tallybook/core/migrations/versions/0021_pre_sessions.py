from tallybook.core.migrate import before, run_file

revision = "0021"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0021_pre_sessions.sql")
