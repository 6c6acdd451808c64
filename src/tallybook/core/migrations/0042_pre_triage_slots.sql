-- Triage: one request waits for a time, whoever asked; and who has the app's home open in Slack, so that it stays true.

-- Where several wait for one time, the one that was asked for first stays. The others are withdrawn with the reason, an
-- exchange with both its halves, and the record says so; they can be asked for again once the first is decided.
do $$
declare
    later record;
begin
    for later in
        select business_id, coalesce(swap_id, id) as number, array_agg(id) as ids
        from overrides where state::text = 'pending' group by 1, 2 order by 1, 2
    loop
        if exists (
            select from overrides o
            join overrides first on first.business_id = o.business_id and first.team_id = o.team_id
                and first.role = o.role and first.state::text = 'pending'
                and tstzrange(first.starts_at, first.ends_at) && tstzrange(o.starts_at, o.ends_at)
            where o.business_id = later.business_id and o.id = any(later.ids)
                and coalesce(first.swap_id, first.id) < later.number
        ) then
            update overrides set state = 'withdrawn', decided_by = 'tallybook', decided_at = now(), updated_at = now(),
                note = 'Somebody had asked for this time before.'
            where business_id = later.business_id and id = any(later.ids);
            insert into audit_log (business_id, who, action, subject, subject_id, before, after)
            select later.business_id, 'tallybook', 'override.withdrawn', 'override', one::text,
                jsonb_build_object('state', 'pending'),
                jsonb_build_object('state', 'withdrawn', 'reason', 'Somebody had asked for this time before.')
            from unnest(later.ids) one;
        end if;
    end loop;
end $$;

alter table overrides
    drop constraint overrides_pending_apart,
    add constraint overrides_pending_apart exclude using gist (
        business_id with =, team_id with =, role with =, tstzrange(starts_at, ends_at) with &&)
        where (state::text = 'pending');

-- Whose home, in which workspace, shows which team. ``shows`` are the versions of the facts and of the state by which it
-- was last made, and how many of the reader's requests waited; ``number`` counts what was made.
create table triage_homes (
    business_id int not null default only_business(),
    account varchar(50) not null,
    slack_id varchar(50) not null,
    team_id bigint not null,
    opened_at timestamptz not null,
    number bigint not null,
    shows varchar(80) not null,
    constraint triage_homes_pkey primary key (business_id, account, slack_id),
    constraint triage_homes_team_fkey foreign key (business_id, team_id) references triage_teams
);
create index triage_homes_team on triage_homes (business_id, team_id, opened_at);
