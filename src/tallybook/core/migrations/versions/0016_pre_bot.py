from tallybook.core.migrate import before, run_file

revision = "0016"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0016_pre_bot.sql")
