-- How far each file of the database server's own log was read, so that what other programs were refused is taken from it
-- once. A file is known by a hash of its first record: it stays the same one when it is renamed, copied or compressed.
create table server_log_positions (
    file varchar(64) not null,
    position bigint not null,
    read_at timestamptz not null default now(),
    constraint server_log_positions_pkey primary key (file),
    constraint server_log_positions_position_ahead check (position >= 0)
);
