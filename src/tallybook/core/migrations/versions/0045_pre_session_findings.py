from tallybook.core.migrate import before, run_file

revision = "0045"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0045_pre_session_findings.sql")
