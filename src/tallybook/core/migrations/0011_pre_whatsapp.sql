-- What a message says beyond its text, and the accounts of the channels that are told by webhooks.

-- Null for a channel that has nothing to add to text and photo; the bridge's messages are of that kind.
alter table messages add column content jsonb;
alter table message_revisions add column content jsonb;

-- Whose account it is: a number, or what a provider speaks of several numbers by. The token is encrypted.
create table channel_accounts (
    channel text not null,
    account text not null,
    business_id int not null references businesses,
    label varchar(100) not null default '',
    token_sealed bytea,
    may_be_silent boolean not null default false,
    added_at timestamptz not null default now(),
    constraint channel_accounts_pkey primary key (channel, account)
);
create index channel_accounts_business on channel_accounts (business_id);

-- How much came for each account, and when last: counted as it is filed, since counting the messages would be slow.
create table channel_arrivals (
    business_id int not null references businesses,
    channel text not null,
    account text not null,
    messages bigint not null default 0,
    updates bigint not null default 0,
    last_said_at timestamptz,
    last_seen_at timestamptz not null default now(),
    constraint channel_arrivals_pkey primary key (business_id, channel, account)
);
