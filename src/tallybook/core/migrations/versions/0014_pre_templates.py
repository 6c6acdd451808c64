from tallybook.core.migrate import before, run_file

revision = "0014"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0014_pre_templates.sql")
