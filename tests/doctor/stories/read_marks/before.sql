-- The same business a month on: the upsert still has nothing to rely on, so a customer has two threads; and a message
-- is known by a look before the insert, so one that came twice at once is there twice.
create table whatsapp_conversation (
    id serial primary key,
    business_id integer not null,
    canonical_key text,
    is_open boolean default true not null,
    started_at timestamp without time zone default now() not null,
    last_message_at timestamp without time zone,
    last_read_at timestamp without time zone
);

create index idx_wa_conv_canonical on whatsapp_conversation (business_id, canonical_key);

create table whatsapp_message (
    id serial primary key,
    business_id integer not null,
    conversation_id integer references whatsapp_conversation (id),
    provider_message_id character varying(128),
    source character varying(16),
    direction character varying(3) not null,
    status character varying(16) default 'received' not null,
    body text not null,
    created_at timestamp without time zone default now() not null
);

create index idx_wa_msg_provider on whatsapp_message (business_id, provider_message_id);

insert into whatsapp_conversation (business_id, canonical_key, started_at, last_message_at, last_read_at) values
    (1, 'phone:1:+972500000001', '2025-12-01 09:00', '2025-12-01 09:05', '2025-12-01 09:06'),
    (1, 'phone:1:+972500000001', '2025-12-05 12:00', '2025-12-05 12:01', null),
    (1, 'lead:1:42', '2025-12-02 10:00', '2025-12-02 10:00', null),
    (2, 'phone:2:+972500000001', '2025-12-03 08:00', '2025-12-03 08:00', null),
    (2, null, '2025-12-03 08:30', '2025-12-03 08:30', null),
    (2, null, '2025-12-03 08:40', '2025-12-03 08:40', null);

insert into whatsapp_message (business_id, conversation_id, provider_message_id, source, direction, body, created_at)
values
    (1, 1, 'wamid.A1', 'customer', 'in', 'Hello', '2025-12-01 09:00'),
    (1, 1, null, 'bot', 'out', 'Good morning', '2025-12-01 09:05'),
    (1, 2, 'wamid.A2', 'customer', 'in', 'And today?', '2025-12-05 12:00'),
    (1, 2, 'wamid.A2', 'customer', 'in', 'And today?', '2025-12-05 12:00'),
    (1, 2, null, 'automation', 'out', 'We open at nine', '2025-12-05 12:01'),
    (1, 3, 'wamid.A3', 'customer', 'in', 'A price, please', '2025-12-02 10:00'),
    (2, 4, 'wamid.A1', 'customer', 'in', 'Hello', '2025-12-03 08:00');
