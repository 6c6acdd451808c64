from tallybook.core.migrate import before, run_file

revision = "0037"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0037_pre_news.sql")
