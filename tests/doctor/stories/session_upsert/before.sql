-- A business that answers on WhatsApp: conversations and their messages. The index over the canonical key is unique;
-- the statement that was written for it names the business as well, and finds nothing to rely on.
create table whatsapp_conversation (
    id serial primary key,
    business_id integer not null,
    canonical_key text not null,
    customer_name character varying(100),
    is_open boolean default true not null,
    started_at timestamp with time zone default now() not null,
    last_message_at timestamp with time zone,
    last_customer_message_at timestamp with time zone,
    updated_at timestamp with time zone default now() not null
);

create unique index uq_wa_conv_canonical_key on whatsapp_conversation (canonical_key);

create table whatsapp_message (
    id serial primary key,
    business_id integer not null,
    conversation_id integer references whatsapp_conversation (id),
    direction character varying(3) not null,
    body text not null,
    created_at timestamp with time zone default now() not null
);

insert into whatsapp_conversation (business_id, canonical_key, customer_name, started_at, last_message_at) values
    (1, 'phone:1:+972500000001', 'Noa', '2025-12-01 09:00+00', '2025-12-01 09:05+00'),
    (1, 'lead:1:42', 'Tal', '2025-12-01 10:00+00', '2025-12-01 10:01+00'),
    (2, 'phone:2:+972500000001', 'Noa', '2025-12-02 08:00+00', '2025-12-02 08:00+00');

-- The second webhook of a pair was refused, and its message was kept without a thread.
insert into whatsapp_message (business_id, conversation_id, direction, body, created_at) values
    (1, 1, 'in', 'Hello', '2025-12-01 09:00+00'), (1, null, 'in', 'Are you there?', '2025-12-01 09:00+00'),
    (1, 1, 'out', 'We are', '2025-12-01 09:05+00'), (1, 2, 'in', 'A price, please', '2025-12-01 10:00+00'),
    (2, 3, 'in', 'Hello', '2025-12-02 08:00+00'), (2, null, 'in', 'Hello?', '2025-12-02 08:00+00');
