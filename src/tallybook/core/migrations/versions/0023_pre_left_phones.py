from tallybook.core.migrate import before, run_file

revision = "0023"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0023_pre_left_phones.sql")
