from tallybook.core.migrate import before, run_file

revision = "0043"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0043_pre_server_log.sql")
