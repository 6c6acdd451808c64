from tallybook.core.migrate import before, run_file

revision = "0024"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0024_pre_search_by_business.sql")
