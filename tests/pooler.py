"""PgBouncer in transaction mode before the tests' server: what one transaction leaves behind, the next one finds."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.postgres import Server
from tests.programs import PROGRAMS

needs_pgbouncer = pytest.mark.needs("pgbouncer")
SETTINGS = """
[databases]
* = host={server} user={user}
[pgbouncer]
pool_mode = transaction
default_pool_size = {size}
auth_type = any
listen_addr =
listen_port = 6432
unix_socket_dir = {folder}
ignore_startup_parameters = extra_float_digits
"""


@asynccontextmanager
async def pooled(postgres: Server, user: str, size: int = 20) -> AsyncIterator[str]:
    """Gives the address, up to the database's name, of a pooler whose server connections are all of ``user``'s."""
    folder = Path(tempfile.mkdtemp(prefix="tb-pool-"))
    folder.chmod(0o777)
    settings = folder / "pgbouncer.ini"
    settings.write_text(SETTINGS.format(server=postgres.folder, user=user, size=size, folder=folder))
    process = await asyncio.create_subprocess_exec(
        PROGRAMS["pgbouncer"], "-q", "-u", "nobody", str(settings), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(20):
            while not (folder / ".s.PGSQL.6432").exists():
                await asyncio.sleep(0.02)  # a server that is not ready signals nothing
        yield f"postgresql://{user}@/{{database}}?host={folder}&port=6432"
    finally:
        process.terminate()
        await process.wait()
        shutil.rmtree(folder, ignore_errors=True)
