-- What limits and stops sending, what tells us that a message of ours came back, and the monitor's replies.

-- Messages of one topic are kept apart by a cool-down, and alone keep their order among themselves.
alter table outbox add column topic text;
alter table outbox drop constraint outbox_state_known;
alter table outbox add constraint outbox_state_known check (state in (
    'waiting', 'sending', 'sent', 'delivered', 'read', 'captured', 'unknown', 'parked', 'dropped'));
create index outbox_echo on outbox (business_id, channel, recipient, md5(body ->> 'text'));

-- A number that we send by. Its row is what all workers lock before they take one of its moments.
create table sending_lines (
    business_id int not null references businesses,
    channel text not null,
    account text not null,
    open_at timestamptz,
    failures int not null default 0,
    constraint sending_lines_pkey primary key (business_id, channel, account)
);

-- When something was sent by a line, or was about to be: what its limits are counted from.
create table sending_moments (
    business_id int not null references businesses,
    channel text not null,
    account text not null,
    topic text,
    outgoing_id bigint not null,
    at timestamptz not null,
    constraint sending_moments_pkey primary key (business_id, outgoing_id, at)
);
create index sending_moments_of_line on sending_moments (business_id, channel, account, at);
create index sending_moments_of_topic on sending_moments (business_id, channel, topic, at) where topic is not null;
create index sending_moments_at on sending_moments (at);

-- A channel on which somebody has stopped all sending. A row means stopped.
create table sending_stops (
    business_id int not null references businesses,
    channel text not null,
    stopped_at timestamptz not null default now(),
    stopped_by varchar(100) not null,
    constraint sending_stops_pkey primary key (business_id, channel)
);

-- Nothing said in a group before this moment is answered.
alter table monitor_projects add column watched_since timestamptz not null default now();

-- One reply per cause, for ever: the outbox forgets what it sent, this does not.
create table monitor_replies (
    business_id int not null references businesses,
    project varchar(100) not null,
    drop_number varchar(50) not null,
    message_id bigint not null,
    kind text not null,
    dedup_key text not null,
    put_at timestamptz not null default now(),
    constraint monitor_replies_pkey primary key (business_id, project, drop_number, message_id, kind),
    constraint monitor_replies_kind_known check (kind in ('unknown_drop', 'other_project'))
);
create index monitor_replies_by_drop on monitor_replies (business_id, drop_number);
