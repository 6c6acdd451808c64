-- What is of no use after a moment, what goes first, when it was last tried, and how often its provider could not send it.

-- expires_at: not sent after it. priority: the higher goes first. faults: in a row, and its own, not the line's.
alter table outbox
    add column expires_at timestamptz,
    add column priority smallint not null default 0,
    add column tried_at timestamptz,
    add column faults int not null default 0;
create index outbox_next on outbox (business_id, priority desc, not_before, id)
    where state in ('waiting', 'sending', 'unknown');
create index outbox_recipient on outbox (business_id, channel, recipient, id) where state in ('waiting', 'sending');
create index outbox_expires on outbox (business_id, expires_at) where state in ('waiting', 'unknown');
