from tallybook.core.migrate import run_file

revision = "0020"
down_revision = "0013"


def upgrade() -> None:
    run_file("0020_pre_desk.sql")
