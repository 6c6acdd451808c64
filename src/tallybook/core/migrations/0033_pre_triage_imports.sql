-- What was brought in from an older rota: which import made what of which row, so that nothing is lost and it can be undone.

-- ``version`` is of the team's facts behind it: as long as it is the same, nobody has built on what was imported.
create table triage_imports (
    business_id int not null default only_business(),
    team_id bigint not null,
    number int not null,
    source varchar(20) not null,
    fingerprint bytea not null,
    version bigint not null,
    outcome jsonb not null,
    people text[] not null,
    disciplines text[] not null,
    made_by varchar(100) not null,
    made_at timestamptz not null,
    undone_by varchar(100),
    undone_at timestamptz,
    constraint triage_imports_pkey primary key (business_id, team_id, number),
    constraint triage_imports_source_known check (source::text in ('files', 'tables')),
    constraint triage_imports_team_fkey foreign key (business_id, team_id) references triage_teams
);

-- Every row as it was, with what became of it.
create table triage_import_rows (
    business_id int not null default only_business(),
    team_id bigint not null,
    number int not null,
    source varchar(63) not null,
    place int not null,
    content jsonb not null,
    becomes varchar(20) not null,
    why varchar(1000) not null,
    constraint triage_import_rows_pkey primary key (business_id, team_id, number, source, place),
    constraint triage_import_rows_import_fkey
        foreign key (business_id, team_id, number) references triage_imports
);
