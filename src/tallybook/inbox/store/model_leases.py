"""SQL of who asks the language model about a burst: one worker at a time, and another once that one's lease ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from tallybook.core import inbox_keys
from tallybook.core.db import Conn


@dataclass(frozen=True)
class Lease:
    """The asking about the burst that ends with ``seq``, for so many ``seconds``, by a worker of its own."""

    conversation_id: int
    seq: int
    seconds: float
    worker: UUID = field(default_factory=uuid4)


# Its row stays until the lease is old (core/retention.py), so that whoever comes later knows that there was one before.
# The thread is held for its foreign key: by a joining it may be gone.
CLAIM = f"""
insert into inbox_model_leases as l (business_id, conversation_id, seq, claimed_by, lease_until)
select c.business_id, c.id, %(seq)s::bigint, %(worker)s::uuid,
    clock_timestamp() + make_interval(secs => %(seconds)s::float8)
from whatsapp_conversation c
where c.business_id = %(business_id)s::int and c.id = %(id)s::bigint for key share
on conflict {inbox_keys.INBOX_MODEL_LEASE.target} do update set claimed_by = excluded.claimed_by,
    lease_until = excluded.lease_until, claims = l.claims + 1
where l.lease_until <= clock_timestamp()
returning claims
"""
RELEASE = """
update inbox_model_leases set lease_until = clock_timestamp()
where business_id = %(business_id)s::int and conversation_id = %(id)s::bigint and seq = %(seq)s::bigint
    and claimed_by = %(worker)s::uuid
"""


async def claim(conn: Conn, business_id: int, lease: Lease) -> int | None:
    """Which claim of its burst it is, 1 being the first; None while another worker has it."""
    values = {
        "business_id": business_id, "id": lease.conversation_id, "seq": lease.seq, "worker": lease.worker,
        "seconds": lease.seconds,
    }  # fmt: skip
    row = await (await conn.execute(CLAIM, values)).fetchone()
    return row[0] if row else None


async def release(conn: Conn, business_id: int, lease: Lease) -> None:
    """Ends it, unless it ended before and another worker has the burst."""
    values = {
        "business_id": business_id, "id": lease.conversation_id, "seq": lease.seq, "worker": lease.worker,
    }  # fmt: skip
    await conn.execute(RELEASE, values)
