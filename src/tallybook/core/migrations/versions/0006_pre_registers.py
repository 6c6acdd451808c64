from tallybook.core.migrate import run_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_file("0006_pre_registers.sql")
