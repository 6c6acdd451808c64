from tallybook.core.migrate import before, run_file

revision = "0036"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0036_pre_delivery_lines.sql")
