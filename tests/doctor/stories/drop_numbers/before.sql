-- A fibre installer's posts: one table for the marketing team, one for the QA desk, and a drop number that may be
-- posted to both. Four posts to Lawley were refused, since the QA table knew their numbers from Velo Test.
create table valid_drop_numbers (
    drop_number character varying(50) not null,
    project text not null,
    constraint valid_drop_numbers_pkey primary key (drop_number)
);

create table marketing_activations (
    id uuid default gen_random_uuid() not null,
    drop_number character varying(50) not null,
    project text default 'Marketing Activations' not null,
    whatsapp_message_date timestamp with time zone,
    submitted_by character varying(50),
    constraint marketing_activations_pkey primary key (id),
    constraint marketing_activations_drop_number_key unique (drop_number)
);

create table qa_photo_reviews (
    id uuid default gen_random_uuid() not null,
    drop_number character varying(50) not null,
    project text not null,
    whatsapp_message_date timestamp with time zone,
    submitted_by character varying(50),
    user_name character varying(100),
    review_date date default current_date not null,
    completed boolean default false not null,
    created_at timestamp with time zone default now() not null,
    updated_at timestamp with time zone default now() not null,
    constraint qa_photo_reviews_pkey primary key (id),
    constraint qa_photo_reviews_drop_number_key unique (drop_number),
    constraint qa_photo_reviews_drop_number_review_date_key unique (drop_number, review_date)
);

insert into valid_drop_numbers (drop_number, project) values
    ('DR1752104', 'Lawley'), ('DR1733787', 'Lawley'), ('DR1733755', 'Lawley'), ('DR1733714', 'Lawley'),
    ('DR1760001', 'Mohadin');

insert into marketing_activations (drop_number, whatsapp_message_date, submitted_by) values
    ('DR1752104', '2025-11-26 10:47+00', '27820000001'),
    ('DR1733787', '2025-12-01 12:26+00', '27820000002'),
    ('DR1733755', '2025-12-02 09:23+00', '27820000001'),
    ('DR1733714', '2025-12-02 11:03+00', '27820000003');

insert into qa_photo_reviews (drop_number, project, whatsapp_message_date, submitted_by, user_name, review_date) values
    ('DR1752104', 'Velo Test', '2025-11-24 08:00+00', '27820000001', '27820000001', '2025-11-24'),
    ('DR1733787', 'Velo Test', '2025-11-24 08:05+00', '27820000001', '27820000001', '2025-11-24'),
    ('DR1733755', 'Velo Test', '2025-11-25 07:30+00', '27820000002', '27820000002', '2025-11-25'),
    ('DR1733714', 'Velo Test', '2025-11-25 07:40+00', '27820000002', '27820000002', '2025-11-25'),
    ('DR1760001', 'Mohadin', '2025-12-02 06:10+00', '27820000003', '27820000003', '2025-12-02'),
    ('DR1760002', 'Mamelodi', '2025-12-02 06:20+00', '27820000003', '27820000003', '2025-12-02'),
    ('DR1760003', 'Velo Test', '2025-12-03 06:00+00', '27820000002', '27820000002', '2025-12-03');
