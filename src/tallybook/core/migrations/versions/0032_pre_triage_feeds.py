from tallybook.core.migrate import before, run_file

revision = "0032"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0032_pre_triage_feeds.sql")
