from tallybook.core.migrate import before, run_file

revision = "0022"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0022_pre_search.sql")
