from tallybook.core.migrate import before, run_file

revision = "0038"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0038_pre_spelling_and_numbers.sql")
