-- What channels tell besides messages and what the inbox acts on: listed by time, counted by kind, looked at by people.

-- The kinds that are left out are those that inbox/news_rules.py names as handled.
create index messages_news on messages (business_id, id) include (kind, seen_at)
where channel in ('whatsapp', 'gateway') and kind not in ('echo', 'edit', 'history', 'history_placeholder', 'identity',
    'message', 'preference', 'reaction', 'revoke', 'status:deleted', 'status:delivered', 'status:failed', 'status:played',
    'status:read', 'status:sent', 'status:server_ack');

-- At which of it somebody of the business has looked, of the kinds that may want a person: health speaks of the others.
-- A row for each and no mark of how far: what is filed at this moment has a smaller number than what is there already.
create table inbox_news_seen (
    business_id int not null default only_business(),
    message_id bigint not null,
    at timestamptz not null default now(),
    constraint inbox_news_seen_pkey primary key (business_id, message_id),
    constraint inbox_news_seen_message_fkey
        foreign key (business_id, message_id) references messages on delete cascade
);

-- By a spare id somebody is known too, but not written to while there is another: one above their own, or one they had.
alter table contact_identities add column is_spare boolean not null default false;
