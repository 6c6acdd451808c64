-- Triage: how a team is told of its rota, what was told already, and what its user group and its channel's topic show.

-- Slack's ids of where a team is told; '' is nowhere. ``topic`` is the channel's topic with {people} in it; '' leaves
-- the topic alone. ``late_after`` is in minutes. ``language`` '' is the business's.
alter table triage_teams
    add column channel varchar(50) not null default '',
    add column admin_channel varchar(50) not null default '',
    add column user_group varchar(50) not null default '',
    add column topic varchar(250) not null default '',
    add column language varchar(10) not null default '',
    add column heads_up time not null default '17:00',
    add column late_after int not null default 5,
    add constraint triage_teams_late_after_sane check (late_after >= 1 and late_after <= 720);

-- When a team is to be looked at next, and what was last told of what lies ahead: ``plan`` are the shifts up to
-- ``planned_until`` by the facts of ``facts_version``. ``settles_at``: when changes that were seen are told, so that
-- many in one minute are told as one. The last three are what the check of the rota found.
create table triage_looks (
    business_id int not null default only_business(),
    team_id bigint not null,
    facts_version bigint not null,
    next_at timestamptz not null,
    plan jsonb not null,
    planned_until timestamptz not null,
    settles_at timestamptz,
    checked_at timestamptz,
    astray boolean not null default false,
    astray_at timestamptz,
    constraint triage_looks_pkey primary key (business_id, team_id),
    constraint triage_looks_team_fkey foreign key (business_id, team_id) references triage_teams
);

-- What will go wrong ahead, told once to each, and who was given a request to decide. ``what`` names the first by its
-- turns, which do not move while time goes by, and the second by its number.
create table triage_told (
    business_id int not null default only_business(),
    team_id bigint not null,
    kind varchar(10) not null,
    what varchar(300) not null,
    recipient varchar(50) not null,
    told_at timestamptz not null,
    constraint triage_told_pkey primary key (business_id, team_id, kind, what, recipient),
    constraint triage_told_kind_known check (kind::text in ('double', 'clash', 'gap', 'request')),
    constraint triage_told_team_fkey foreign key (business_id, team_id) references triage_teams
);

-- What was sent in and could not be decided at once, such as while the database was away, and what became of it: who
-- leads is told of all of it together. ``because`` says why not; '' is done.
create table triage_kept_orders (
    business_id int not null default only_business(),
    key varchar(250) not null,
    team_id bigint not null,
    sent_by varchar(50) not null,
    sent_at timestamptz not null,
    because varchar(500) not null default '',
    decided_at timestamptz not null,
    reported_at timestamptz,
    constraint triage_kept_orders_pkey primary key (business_id, key),
    constraint triage_kept_orders_team_fkey foreign key (business_id, team_id) references triage_teams
);
create index triage_kept_orders_unreported on triage_kept_orders (business_id, team_id) where reported_at is null;

-- A user group's members and a channel's topic, as they should be. ``number`` counts what was wanted; ``ours`` are the
-- texts that we last put there, the newest first: only those are replaced. ``seen_at`` is when it was last held against
-- Slack.
create table triage_shown (
    business_id int not null default only_business(),
    kind varchar(10) not null,
    target varchar(50) not null,
    number bigint not null default 0,
    wanted text[] not null default '{}',
    ours text[] not null default '{}',
    state varchar(10) not null default 'asked',
    since timestamptz not null default now(),
    seen_at timestamptz,
    constraint triage_shown_pkey primary key (business_id, kind, target),
    constraint triage_shown_kind_known check (kind::text in ('group', 'topic')),
    constraint triage_shown_state_known check (
        state::text in ('asked', 'set', 'failed', 'theirs', 'nobody'))
);
