from tallybook.core.migrate import before, run_file

revision = "0031"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0031_pre_triage_telling.sql")
