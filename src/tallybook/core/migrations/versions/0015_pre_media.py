from tallybook.core.migrate import before, run_file

revision = "0015"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0015_pre_media.sql")
