from tallybook.core.migrate import before, run_file

revision = "0020"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0020_pre_desk.sql")
