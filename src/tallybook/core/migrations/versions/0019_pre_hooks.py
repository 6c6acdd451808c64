from tallybook.core.migrate import before, run_file

revision = "0019"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0019_pre_hooks.sql")
