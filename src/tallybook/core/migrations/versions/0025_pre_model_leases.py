from tallybook.core.migrate import before, run_file

revision = "0025"
down_revision = before(revision)


def upgrade() -> None:
    run_file("0025_pre_model_leases.sql")
