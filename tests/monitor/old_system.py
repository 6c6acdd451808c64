"""The tables of the system before this one, as its documents describe them, with a little of everything in them."""

OLD_SCHEMA = """
create table qa_photo_reviews (
    id uuid primary key default gen_random_uuid(),
    drop_number varchar(50) not null,
    review_date date default current_date,
    user_name varchar(100) not null,
    project varchar(100),
    submitted_by varchar(255),
    sender_phone text,
    assigned_agent varchar(100),
    step_01_house_photo boolean default false, step_02_cable_from_pole boolean default false,
    step_03_cable_entry_outside boolean default false, step_04_cable_entry_inside boolean default false,
    step_05_wall_for_installation boolean default false, step_06_ont_back_after_install boolean default false,
    step_07_power_meter_reading boolean default false, step_08_ont_barcode boolean default false,
    step_09_ups_serial boolean default false, step_10_final_installation boolean default false,
    step_11_green_lights boolean default false, step_12_customer_signature boolean default false,
    completed_photos integer default 0, outstanding_photos integer default 12,
    outstanding_photos_loaded_to_1map boolean,
    completed boolean default false, incomplete boolean default false, resubmitted boolean default false,
    feedback_sent timestamp,
    comment text,
    whatsapp_message_date timestamptz,
    locked_by varchar(255), locked_at timestamp,
    incorrect_steps text[] default '{}', incorrect_comments jsonb default '{}',
    created_at timestamptz default now(), updated_at timestamptz default now(),
    constraint qa_photo_reviews_drop_number_review_date_key unique (drop_number, review_date)
);
create index on qa_photo_reviews (review_date);
create table marketing_activations (
    id serial primary key, drop_number varchar(20) not null, whatsapp_message_date timestamptz not null,
    submitted_by varchar(20), user_name varchar(100), is_valid boolean, validation_message text,
    created_at timestamptz default now(), updated_at timestamptz default now()
);
create table valid_drop_numbers (
    drop_number varchar(20) primary key, project varchar(100) not null, created_at timestamptz default now(),
    sync_source varchar(50) default 'sharepoint_hld_home', sync_timestamp timestamptz
);
create table invalid_drop_submissions (
    id serial primary key, drop_number varchar(50), project varchar(100), sender varchar(255), group_jid text,
    submitted_at timestamptz default now(), reason text default 'not_in_valid_list'
);
create table sharepoint_sync_state (
    sheet_name varchar(50) primary key, last_row_written int not null, last_sync_date date, updated_at timestamptz
);
"""
FILLED = """
insert into qa_photo_reviews (drop_number, review_date, user_name, project, submitted_by, step_01_house_photo,
    step_08_ont_barcode, completed_photos, outstanding_photos, resubmitted, comment, whatsapp_message_date,
    feedback_sent, locked_by, locked_at, incorrect_steps, incorrect_comments, created_at) values
('DR1752104', '2025-11-26', '27820000001', 'Lawley', '27820000001', true, true, 2, 10, true,
    E'Auto-created from WhatsApp\\n--- RESUBMITTED 2025-11-28 09:30:00 SAST ---', '2025-11-26 13:42:54+02',
    '2025-11-27 10:00:00', 'Ana', '2025-11-28 12:00:00', '{step_02_cable_from_pole}',
    '{"step_02_cable_from_pole": "Blurry"}', '2025-11-26 13:43:10+02'),
('DR1752104', '2025-12-01', '27820000002', 'Lawley', '27820000002', false, false, 0, 12, false, null,
    '2025-12-01 08:00:00+02', null, null, null, '{}', '{}', '2025-12-01 08:00:10+02'),
('dr1752104', '2025-12-01', '27820000002', 'Mohadin', '27820000002', false, false, 0, 12, false, null,
    '2025-12-01 09:00:00+02', null, null, null, '{}', '{}', '2025-12-01 09:00:10+02'),
('DR1733787', '2025-12-01', '106678912345678', 'Lawley', '106678912345678', false, false, 0, 12, false, null,
    '2025-12-01 15:28:00+02', null, 'Ana', null, null, null, '2025-12-01 15:28:10+02'),
('DR1733755', '2025-12-02', '106678912345679', 'Velo Test', '106678912345679', false, false, 0, 12, false, null,
    '2025-12-02 11:28:00+02', null, null, null, '{}', '{}', '2025-12-02 11:28:10+02'),
('DR1733714', '2025-12-02', 'Manual Entry', null, null, false, false, 0, 12, false, 'by hand',
    null, null, null, null, '{}', '{}', '2025-12-02 13:24:00+02'),
('DR1733700', '2025-12-02', '27820000003', 'Mohadin', '27820000003', false, false, 0, 12, false, null,
    '2025-12-02 14:00:00+02', null, null, null, '{}', '{}', '2025-12-02 14:00:10+02');
insert into marketing_activations (drop_number, whatsapp_message_date, submitted_by, user_name, is_valid) values
('DR1752104', '2025-11-26 12:47:00+02', '27820000001', '27820000001', true),
('DR1752104', '2025-11-27 12:47:00+02', '27820000002', '27820000002', true),
('DR1733787', '2025-12-01 14:26:00+02', '27820000001', '27820000001', null);
insert into valid_drop_numbers (drop_number, project) values ('DR1752104', 'Lawley'), ('DR1733787', 'Lawley');
insert into invalid_drop_submissions (drop_number, project, sender, submitted_at) values
('DR9999999', 'Lawley', '27820000001', '2025-12-01 10:00:00+02');
insert into sharepoint_sync_state values ('Lawley', 20, '2025-12-01', now());
"""
