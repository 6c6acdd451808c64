-- Who is on triage duty: people, sprints, one row that says who it is now, and requests to stand in for somebody.
create table users (
    id serial primary key,
    slack_id character varying(20) not null,
    name character varying(100) not null,
    discipline character varying(20) not null,
    constraint users_slack_id_key unique (slack_id)
);

create table sprints (
    id serial primary key,
    sprint_name character varying(100) not null,
    start_date date not null,
    end_date date not null,
    sprint_index integer not null,
    constraint sprints_sprint_index_key unique (sprint_index)
);

create table current_state (
    id integer default 1 not null,
    sprint_index integer,
    account_slack_id character varying(20),
    producer_slack_id character varying(20),
    po_slack_id character varying(20),
    ui_eng_slack_id character varying(20),
    be_eng_slack_id character varying(20),
    last_updated timestamp without time zone default now() not null,
    constraint current_state_pkey primary key (id),
    constraint unique_current_state check (id = 1),
    constraint current_state_sprint_index_fkey foreign key (sprint_index) references sprints (sprint_index)
);

create table overrides (
    id serial primary key,
    sprint_index integer not null,
    role character varying(20) not null,
    original_slack_id character varying(20),
    replacement_slack_id character varying(20) not null,
    requested_by character varying(20) not null,
    approved boolean default false not null,
    approved_by character varying(20),
    approval_timestamp timestamp without time zone,
    declined_at timestamp without time zone
);

insert into users (slack_id, name, discipline) values
    ('U0000001', 'Ana', 'uiEng'), ('U0000002', 'Ben', 'uiEng'), ('U0000003', 'Chi', 'beEng'),
    ('U0000004', 'Dov', 'account'), ('U0000005', 'Eve', 'po'), ('U0000006', 'Fay', 'producer');

insert into sprints (sprint_name, start_date, end_date, sprint_index) values
    ('FY26 Sp10', '2025-09-03', '2025-09-17', 10), ('FY26 Sp11', '2025-09-17', '2025-10-01', 11),
    ('FY26 Sp12', '2025-10-01', '2025-10-15', 12);

insert into current_state (sprint_index, account_slack_id, producer_slack_id, po_slack_id, ui_eng_slack_id,
    be_eng_slack_id, last_updated)
values (11, 'U0000004', 'U0000006', 'U0000005', 'U0000001', 'U0000003', '2025-09-17 08:00');

-- Two people were told that Ben stands in, and that Chi does; and somebody pressed the button twice.
insert into overrides (sprint_index, role, original_slack_id, replacement_slack_id, requested_by, approved, approved_by,
    approval_timestamp, declined_at)
values
    (11, 'uiEng', 'U0000001', 'U0000002', 'U0000001', true, 'U0000004', '2025-09-18 09:00', null),
    (11, 'uiEng', 'U0000001', 'U0000003', 'U0000002', true, 'U0000004', '2025-09-18 11:30', null),
    (12, 'beEng', 'U0000003', 'U0000002', 'U0000003', false, null, null, null),
    (12, 'beEng', 'U0000003', 'U0000002', 'U0000003', false, null, null, null),
    (12, 'po', 'U0000005', 'U0000006', 'U0000005', false, null, null, '2025-09-30 10:00');
