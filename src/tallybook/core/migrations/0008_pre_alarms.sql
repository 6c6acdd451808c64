-- Alarms: what is wrong now, since when, and who was told.

-- One row for each cause, for as long as the installation knows it. ``version`` rises with every change: of several
-- processes that judge at once, the one that still finds the version it read is the one that tells.
create table alarms (
    business_id int not null references businesses,
    name varchar(200) not null,
    state text not null default 'well',
    number int not null default 0,
    version bigint not null default 0,
    says text not null default '',
    seen_at timestamptz,
    told_at timestamptz,
    well_since timestamptz,
    is_grave boolean not null default false,
    constraint alarms_pkey primary key (business_id, name),
    constraint alarms_state_known check (state in ('well', 'seen', 'told')),
    constraint alarms_seen_while_open check ((state = 'well') = (seen_at is null)),
    constraint alarms_told_when_told check ((state = 'told') = (told_at is not null))
);

-- Each time that people were told, kept after its end.
create table alarm_episodes (
    business_id int not null references businesses,
    name varchar(200) not null,
    number int not null,
    says text not null,
    begun_at timestamptz not null,
    told_at timestamptz not null,
    ended_at timestamptz,
    constraint alarm_episodes_pkey primary key (business_id, name, number),
    constraint alarm_episodes_end_after_begin check (ended_at >= begun_at)
);
create index alarm_episodes_told on alarm_episodes (business_id, told_at);
create index alarm_episodes_ended on alarm_episodes (ended_at);

-- Release 0.1.0 held the business of these three by a look-up of its own at each row; a new database has none.
alter table messages drop constraint if exists messages_business_id_fkey;
alter table drops drop constraint if exists drops_business_id_fkey;
alter table marketing_posts drop constraint if exists marketing_posts_business_id_fkey;
