-- Since when a discipline is out of use, and when it was: who was on duty before stays as it was.

alter table triage_disciplines add column unused tstzmultirange not null default '{}';

-- Since it was last taken out of use, as far as that was written down.
update triage_disciplines d set unused = tstzmultirange(tstzrange(coalesce((
    select max(a.at) from audit_log a
    where a.business_id = d.business_id and a.subject = 'discipline' and a.subject_id = d.code
        and a.action = 'discipline.changed' and a.before ->> 'active' = 'true' and a.after ->> 'active' = 'false'
), now()), null))
where not d.active;

create or replace view users as
select distinct on (m.business_id, m.team_id, m.slack_id, m.discipline)
    m.id, m.slack_id, p.name, m.discipline,
    not d.unused @> now() and m.since <= now() and coalesce(m.until > now(), true) as active,
    m.created_at, greatest(m.updated_at, p.updated_at) as updated_at, m.business_id, m.team_id
from triage_memberships m
join triage_people p on p.business_id = m.business_id and p.slack_id = m.slack_id
join triage_disciplines d on d.business_id = m.business_id and d.team_id = m.team_id and d.code = m.discipline
order by m.business_id, m.team_id, m.slack_id, m.discipline, m.since desc;
