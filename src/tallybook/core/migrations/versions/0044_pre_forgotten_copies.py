from tallybook.core.migrate import before, run_file

revision = "0044"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0044_pre_forgotten_copies.sql")
