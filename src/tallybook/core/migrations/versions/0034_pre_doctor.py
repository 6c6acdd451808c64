from tallybook.core.migrate import before, run_file

revision = "0034"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0034_pre_doctor.sql")
