-- Every statement of release 0.1.0, by where it stands there: old code that must go on working.

-- core.accounts.BY_LOGIN
select a.id, a.password_hash, min(r.business_id)
from accounts a join account_roles r on r.account_id = a.id
where a.login = %(login)s and a.active
group by a.id
;;

-- core.accounts.CHANGE_HASH
update accounts set password_hash = %(password_hash)s, must_change = %(must_change)s
where id = %(id)s and (%(old_hash)s::text is null or password_hash = %(old_hash)s::text)
;;

-- core.accounts.OWN_HASH
select login, password_hash from accounts where id = %(id)s and active
;;

-- core.accounts.REHASH
update accounts set password_hash = %(password_hash)s where id = %(id)s and password_hash = %(verified)s
;;

-- core.accounts.SET_PREFERENCES
update accounts set locale = %(locale)s, theme = %(theme)s where id = %(id)s
;;

-- core.accounts.STILL
select 1 from accounts where id = %(id)s and active and password_hash = %(verified)s for share
;;

-- core.api_tokens.CREATE
insert into api_tokens (token_hash, business_id, account_id, name, scopes)
values (%(token_hash)s, %(business_id)s, %(account_id)s, %(name)s, %(scopes)s::text[])
returning id
;;

-- core.api_tokens.LIST
select t.id, t.name, t.scopes, a.display_name, t.created_at, t.last_used_at, t.revoked_at
from api_tokens t
left join accounts a on a.id = t.account_id
where t.business_id = %(business_id)s
order by t.revoked_at is not null, t.id desc
;;

-- core.api_tokens.RESOLVE
with found as (
    select t.id, t.name as token_name, t.business_id, t.scopes, t.account_id, a.display_name, r.role,
        b.name, b.time_zone, b.locale as business_locale, a.locale
    from api_tokens t
    join businesses b on b.id = t.business_id
    left join accounts a on a.id = t.account_id and a.active and not a.must_change
    left join account_roles r on r.account_id = a.id and r.business_id = t.business_id
    where t.token_hash = %(token_hash)s and t.revoked_at is null
        and (t.account_id is null or r.role is not null)
),
used as (
    update api_tokens t set last_used_at = now()
    from found f
    where t.id = f.id and (t.last_used_at is null or t.last_used_at < now() - interval '1 minute')
)
select id, token_name, business_id, scopes, account_id, display_name, role, name, time_zone,
    business_locale, locale
from found
;;

-- core.api_tokens.REVOKE
update api_tokens set revoked_at = now()
where business_id = %(business_id)s and id = %(id)s and revoked_at is null
returning name
;;

-- core.audit.RECENT
select id, at, who, action, subject, subject_id, before, after
from audit_log
where business_id = %(business_id)s
    and (%(subject)s::text is null or subject = %(subject)s::text)
    and (%(below)s::bigint is null or id < %(below)s::bigint)
order by id desc
limit %(limit)s
;;

-- core.audit.RECORD
insert into audit_log (business_id, who, account_id, action, subject, subject_id, before, after)
values (%(business_id)s, %(who)s, %(account_id)s, %(action)s, %(subject)s, %(subject_id)s, %(before)s, %(after)s)
;;

-- core.backup.TABLES
select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname <> 'information_schema' and n.nspname not like 'pg\_%'
;;

-- core.businesses.ADD
insert into businesses (name, time_zone, locale)
values (%(name)s, %(time_zone)s, %(locale)s)
on conflict (name) do nothing
returning id, name, time_zone, locale
;;

-- core.businesses.EVERY
select id, name, time_zone, locale from businesses order by id
;;

-- core.deliveries.DELIVERIES.CLAIM
with due as (
    select id from deliveries
    where state = 'waiting' and not_before <= coalesce(%(now)s::timestamptz, now())
        and (lease_until is null or lease_until <= clock_timestamp())
        and (%(sorts)s::text[] is null or channel = any(%(sorts)s::text[]))
    order by not_before, id limit %(limit)s::int for update skip locked
), taken as (
    update deliveries t set claimed_by = %(worker)s::uuid, attempts = attempts + 1,
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s::float8)
    from due where t.id = due.id returning t.*
)
select id, attempts, channel, body, received_at from taken order by not_before, id
;;

-- core.deliveries.DELIVERIES.FINISH
update deliveries set state = 'done', done_at = coalesce(done_at, now()), lease_until = null, reason = null
where id = any(%(ids)s::bigint[]) and claimed_by = %(worker)s::uuid and state in ('waiting', 'done') returning id
;;

-- core.deliveries.DELIVERIES.HOLD
select id from deliveries where claimed_by = %(worker)s::uuid and state = 'waiting' order by id for update
;;

-- core.deliveries.DELIVERIES.PARK
update deliveries set state = 'parked', claimed_by = null, lease_until = null, reason = %(reason)s::text
where id = any(%(ids)s::bigint[]) and claimed_by = %(worker)s::uuid and state = 'waiting' returning id
;;

-- core.deliveries.DELIVERIES.PARKED
select id, channel, attempts, reason from deliveries
where state = 'parked' and id > %(after)s::bigint order by id limit %(limit)s::int
;;

-- core.deliveries.DELIVERIES.RENEW
update deliveries set lease_until = case state when 'waiting' then
    clock_timestamp() + make_interval(secs => %(lease)s::float8) end
where claimed_by = %(worker)s::uuid returning id
;;

-- core.deliveries.DELIVERIES.REPLAY
update deliveries set state = 'waiting', claimed_by = null, lease_until = null, attempts = 0, not_before = now()
where id = any(%(ids)s::bigint[]) and state = 'parked' returning id
;;

-- core.deliveries.DELIVERIES.RETRY
update deliveries set claimed_by = null, lease_until = null, attempts = attempts - %(uncounted)s::int, reason = coalesce(%(reason)s::text, reason),
    not_before = case when %(delay)s::float8 > 0
        then statement_timestamp() + make_interval(secs => %(delay)s::float8) else not_before end
where id = any(%(ids)s::bigint[]) and claimed_by = %(worker)s::uuid and state = 'waiting' returning id
;;

-- core.embedded.DATABASE_EXISTS
select 1 from pg_database where datname = %(name)s::text
;;

-- core.embedded.ROLE_EXISTS
select 1 from pg_roles where rolname = %(name)s::text
;;

-- core.environment.ROLE_EXISTS
select 1 from pg_roles where rolname = %(role)s
;;

-- core.environment.TABLE_EXISTS
select to_regclass(%(table)s) is not null
;;

-- core.environment.TAKE_TURNS
select pg_advisory_lock(hashtext('tallybook environment'))
;;

-- core.health.BACKLOG
select
    (select count(*) from deliveries where state = 'waiting' and not_before <= %(now)s)
        + (select count(*) from jobs where state = 'waiting' and not_before <= %(now)s)
        + (select count(*) from outbox where state = 'waiting' and not_before <= %(now)s),
    least(
        (select min(not_before) from deliveries where state = 'waiting'),
        (select min(not_before) from jobs where state = 'waiting'),
        (select min(not_before) from outbox where state = 'waiting')),
    (select count(*) from deliveries where state = 'parked'),
    (select count(*) from jobs where state = 'parked'),
    (select count(*) from messages where parked_reason is not null),
    (select count(*) from outbox where state = 'parked'),
    (select count(*) from outbox where state = 'unknown'),
    (select count(*) from constraint_violations where at > %(now)s - interval '7 days')
;;

-- core.health.BEATS
select name, at, details from heartbeats order by name
;;

-- core.heartbeats.BEAT
insert into heartbeats (name, at, details) values (%(name)s, now(), %(details)s::jsonb)
on conflict (name) do update set at = excluded.at, details = excluded.details
;;

-- core.ingest.EDIT
update messages m set text = u.text, deleted = u.deleted, content_hash = u.content_hash, revision = m.revision + 1,
    parked_reason = null
from unnest(%(ids)s::bigint[], %(text)s::text[], %(deleted)s::bool[], %(content_hash)s::bytea[])
    as u (id, text, deleted, content_hash)
where m.business_id = %(business_id)s and m.id = u.id
;;

-- core.ingest.FIND_EDITED
select m.id, m.channel, m.scope, m.external_id, m.kind
from unnest(
    %(channel)s::text[], %(scope)s::text[], %(external_id)s::text[], %(kind)s::text[], %(content_hash)s::bytea[])
    as u (channel, scope, external_id, kind, content_hash)
join messages m on m.business_id = (select %(business_id)s::int) and m.channel = u.channel and m.scope = u.scope
    and m.external_id = u.external_id and m.kind = u.kind and m.content_hash <> u.content_hash
order by m.channel, m.scope, m.external_id, m.kind
for update of m
;;

-- core.ingest.INSERT
insert into messages (business_id, channel, account, scope, external_id, kind, chat, sender_raw, sender_phone,
    sender_lid, said_at, text, from_us, deleted, media_type, media_filename, media_sha256, media_size, content_hash)
select %(business_id)s, u.* from unnest(
    %(channel)s::text[], %(account)s::text[], %(scope)s::text[], %(external_id)s::text[], %(kind)s::text[],
    %(chat)s::text[], %(sender_raw)s::text[], %(sender_phone)s::text[], %(sender_lid)s::text[],
    %(said_at)s::timestamptz[], %(text)s::text[], %(from_us)s::bool[], %(deleted)s::bool[], %(media_type)s::text[],
    %(media_filename)s::text[], %(media_sha256)s::bytea[], %(media_size)s::bigint[], %(content_hash)s::bytea[]) as u
on conflict (business_id, channel, scope, external_id, kind) do nothing
returning id, channel, scope, external_id, kind
;;

-- core.ingest.KEEP_REVISION
insert into message_revisions (business_id, message_id, revision, text, deleted, content_hash)
select m.business_id, m.id, m.revision, m.text, m.deleted, m.content_hash
from messages m where m.business_id = %(business_id)s and m.id = any(%(ids)s::bigint[])
on conflict (business_id, message_id, revision) do nothing
;;

-- core.ingest.PARK
update messages set parked_reason = %(reason)s where business_id = %(business_id)s and id = any(%(ids)s::bigint[])
;;

-- core.jobs.ENQUEUE
insert into jobs (business_id, kind, key, args, not_before)
values (%(business_id)s::int, %(kind)s, %(key)s, %(args)s::jsonb, coalesce(%(not_before)s::timestamptz, now()))
on conflict (kind, key) do nothing
returning id
;;

-- core.jobs.JOBS.CLAIM
with due as (
    select id from jobs
    where state = 'waiting' and not_before <= coalesce(%(now)s::timestamptz, now())
        and (lease_until is null or lease_until <= clock_timestamp())
        and (%(sorts)s::text[] is null or kind = any(%(sorts)s::text[]))
    order by not_before, id limit %(limit)s::int for update skip locked
), taken as (
    update jobs t set claimed_by = %(worker)s::uuid, attempts = attempts + 1,
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s::float8)
    from due where t.id = due.id returning t.*
)
select id, attempts, business_id, kind, key, args, created_at from taken order by not_before, id
;;

-- core.jobs.JOBS.FINISH
update jobs set state = 'done', done_at = coalesce(done_at, now()), lease_until = null, reason = null
where id = any(%(ids)s::bigint[]) and claimed_by = %(worker)s::uuid and state in ('waiting', 'done') returning id
;;

-- core.jobs.JOBS.HOLD
select id from jobs where claimed_by = %(worker)s::uuid and state = 'waiting' order by id for update
;;

-- core.jobs.JOBS.PARK
update jobs set state = 'parked', claimed_by = null, lease_until = null, reason = %(reason)s::text
where id = any(%(ids)s::bigint[]) and claimed_by = %(worker)s::uuid and state = 'waiting' returning id
;;

-- core.jobs.JOBS.PARKED
select id, kind, attempts, reason from jobs
where state = 'parked' and id > %(after)s::bigint order by id limit %(limit)s::int
;;

-- core.jobs.JOBS.RENEW
update jobs set lease_until = case state when 'waiting' then
    clock_timestamp() + make_interval(secs => %(lease)s::float8) end
where claimed_by = %(worker)s::uuid returning id
;;

-- core.jobs.JOBS.REPLAY
update jobs set state = 'waiting', claimed_by = null, lease_until = null, attempts = 0, not_before = now()
where id = any(%(ids)s::bigint[]) and state = 'parked' returning id
;;

-- core.jobs.JOBS.RETRY
update jobs set claimed_by = null, lease_until = null, attempts = attempts - %(uncounted)s::int, reason = coalesce(%(reason)s::text, reason),
    not_before = case when %(delay)s::float8 > 0
        then statement_timestamp() + make_interval(secs => %(delay)s::float8) else not_before end
where id = any(%(ids)s::bigint[]) and claimed_by = %(worker)s::uuid and state = 'waiting' returning id
;;

-- core.keys.UNIQUE_INDEXES
select json_build_object(
    'table', t.relname, 'name', i.relname, 'immediate', x.indimmediate, 'valid', x.indisvalid and x.indisready,
    'partial', x.indpred is not null,
    'constrains', exists (select from pg_constraint c where c.conindid = x.indexrelid and c.conrelid = x.indrelid),
    'columns', (
        select json_agg(a.attname order by k.position)
        from unnest(x.indkey) with ordinality as k (attnum, position)
        left join pg_attribute a on a.attrelid = t.oid and a.attnum = k.attnum and k.attnum > 0
        where k.position <= x.indnkeyatts))
from pg_index x
join pg_class i on i.oid = x.indexrelid
join pg_class t on t.oid = x.indrelid
where x.indisunique and t.relnamespace = current_schema()::regnamespace
;;

-- core.login_limits.BEGIN_TRY
insert into login_attempts (login_hash, address_hash) values (%(login_hash)s, %(address_hash)s) returning id
;;

-- core.login_limits.COUNT_TRIES
select
    (select count(*) from login_attempts
     where login_hash = %(login_hash)s and not succeeded and at > now() - make_interval(secs => %(window)s)),
    (select count(*) from login_attempts
     where address_hash = %(address_hash)s and not succeeded and at > now() - make_interval(secs => %(window)s))
;;

-- core.login_limits.NEXT_FREE
select ceil(extract(epoch from min(at) + make_interval(secs => %(window)s) - now()))::int
from login_attempts
where (login_hash = %(login_hash)s or address_hash = %(address_hash)s)
    and not succeeded and at > now() - make_interval(secs => %(window)s)
;;

-- core.login_limits.SUCCEED
update login_attempts set succeeded = true
where login_hash = %(login_hash)s and address_hash = %(address_hash)s and not succeeded
;;

-- core.login_limits.TAKE_TURNS
select pg_advisory_xact_lock(%(first)s), pg_advisory_xact_lock(%(second)s)
;;

-- core.migrate.CURRENT
select version_num from alembic_version
;;

-- core.migrate.HAS_VERSIONS
select to_regclass('alembic_version') is not null
;;

-- core.migrate.TAKE_TURNS
select pg_advisory_lock(hashtext('tallybook migrate'), hashtext(%(schema)s))
;;

-- core.outbox.ASIDE
select id, channel, state, attempts, resent, reason from outbox
where business_id = %(business_id)s::int and state in ('unknown', 'parked') and id > %(after)s::bigint
order by id limit %(limit)s::int
;;

-- core.outbox.BUSY
select distinct business_id from outbox
where state in ('waiting', 'unknown') and not_before <= now()
    or state = 'sending' and lease_until <= clock_timestamp()
order by business_id
;;

-- core.outbox.PUT
insert into outbox (business_id, channel, account, recipient, dedup_key, body)
values (%(business_id)s::int, %(channel)s, %(account)s, %(to)s, %(dedup_key)s, %(body)s::jsonb)
on conflict (business_id, channel, dedup_key) do nothing
;;

-- core.outbox.REPLAY
update outbox set state = 'waiting', attempts = 0, resent = false, claimed_by = null, not_before = now(), done_at = null
where business_id = %(business_id)s::int and state = 'parked' and id = any(%(ids)s::bigint[])
returning id
;;

-- core.outbox.SETTLE
with ours as (
    select id from outbox
    where business_id = %(business_id)s::int and channel = %(channel)s::text
        and (dedup_key = %(dedup_key)s::text or external_id = %(external_id)s::text)
    for update
), risen as (
    update outbox o set state = %(status)s::text, lease_until = null, done_at = coalesce(done_at, now()),
        external_id = coalesce(o.external_id, %(external_id)s::text), reason = %(reason)s::text
    from ours where o.business_id = %(business_id)s::int and o.id = ours.id and o.state = any(%(below)s::text[])
)
select count(*) from ours
;;

-- core.parked.DELIVERY_CONTENT
select to_jsonb(d) - 'body', body from deliveries d where id = %(id)s::bigint
;;

-- core.parked.JOB_CONTENT
select to_jsonb(j), null::bytea from jobs j where id = %(id)s::bigint
;;

-- core.parked.LISTED
select kind || ':' || id, business_id, sort, state, attempts, reason, at from (
    (select 'delivery' as kind, id, null::int as business_id, channel as sort, state, attempts, reason,
        received_at as at
    from deliveries where state = 'parked' and ('delivery', id) > (%(kind)s::text, %(id)s::bigint)
    order by id limit %(limit)s::int)
    union all
    (select 'job', id, business_id, kind, state, attempts, reason, created_at
    from jobs where state = 'parked' and ('job', id) > (%(kind)s::text, %(id)s::bigint)
    order by id limit %(limit)s::int)
    union all
    (select 'message', id, business_id, channel, 'parked', 1, parked_reason, seen_at
    from messages where parked_reason is not null and ('message', id) > (%(kind)s::text, %(id)s::bigint)
    order by id limit %(limit)s::int)
    union all
    (select 'outgoing', id, business_id, channel, state, attempts, reason, created_at
    from outbox where state in ('parked', 'unknown') and ('outgoing', id) > (%(kind)s::text, %(id)s::bigint)
    order by id limit %(limit)s::int)
) as aside
order by kind, id limit %(limit)s::int
;;

-- core.parked.MESSAGE_CONTENT
select to_jsonb(m), null::bytea from messages m where id = %(id)s::bigint
;;

-- core.parked.OUTGOING_CONTENT
select to_jsonb(o), null::bytea from outbox o where id = %(id)s::bigint
;;

-- core.parked.SEND_AGAIN
update outbox set state = 'waiting', attempts = 0, resent = false, claimed_by = null, not_before = now(), done_at = null
where business_id = %(business_id)s::int and state = 'unknown' and id = %(id)s::bigint
;;

-- core.parked.TAKE_MESSAGE
update messages m set parked_reason = null
from businesses b
where b.id = m.business_id and m.id = %(id)s::bigint and m.parked_reason is not null
returning b.id, b.name, b.time_zone, b.locale, m.channel, m.account, m.scope, m.external_id, m.chat, m.sender_raw,
    m.sender_phone, m.sender_lid, m.said_at, m.text, m.content_hash, m.kind, m.from_us, m.deleted, m.media_type,
    m.media_filename, m.media_sha256, m.media_size
;;

-- core.people.ADD_ACCOUNT
insert into accounts (login, display_name, password_hash, must_change)
values (%(login)s, %(name)s, %(password_hash)s, %(must_change)s)
on conflict (login) do nothing
returning id
;;

-- core.people.ANY_ROLE
select exists(select from account_roles where business_id = %(business_id)s)
;;

-- core.people.ELSEWHERE
select exists(select from account_roles where account_id = %(account_id)s and business_id <> %(business_id)s)
;;

-- core.people.GIVE_ROLE
insert into account_roles (business_id, account_id, role) values (%(business_id)s, %(account_id)s, %(role)s)
on conflict (business_id, account_id) do update set role = excluded.role
;;

-- core.people.LOCK_BUSINESS
select 1 from businesses where id = %(business_id)s for no key update
;;

-- core.people.OTHER_ADMINS
select count(*) from account_roles r join accounts a on a.id = r.account_id and a.active
where r.business_id = %(business_id)s and r.role = 'admin' and r.account_id <> %(account_id)s
;;

-- core.people.PEOPLE
select a.id, a.login, a.display_name, r.role, a.active, a.must_change
from account_roles r join accounts a on a.id = r.account_id
where r.business_id = %(business_id)s
order by a.active desc, a.display_name, a.id
;;

-- core.people.ROLE_OF
select role from account_roles where business_id = %(business_id)s and account_id = %(account_id)s
;;

-- core.people.SET_ACTIVE
update accounts set active = %(active)s where id = %(account_id)s and active <> %(active)s
;;

-- core.people.TAKE_ROLE
delete from account_roles where business_id = %(business_id)s and account_id = %(account_id)s
;;

-- core.receive.STORE
insert into deliveries (channel, body_sha256, body, received_at)
select * from unnest(%(channels)s::text[], %(hashes)s::bytea[], %(bodies)s::bytea[], %(times)s::timestamptz[])
on conflict (channel, body_sha256) do nothing
;;

-- core.retention.constraint_violations
with old as (
    select id from constraint_violations
    where at < %(before)s::timestamptz and true
    order by at limit %(batch)s::int for update skip locked
)
delete from constraint_violations t using old where t.id = old.id
;;

-- core.retention.deliveries
with old as (
    select id from deliveries
    where done_at < %(before)s::timestamptz and state = 'done'
    order by done_at limit %(batch)s::int for update skip locked
)
delete from deliveries t using old where t.id = old.id
;;

-- core.retention.heartbeats
with old as (
    select name from heartbeats
    where at < %(before)s::timestamptz and true
    order by at limit %(batch)s::int for update skip locked
)
delete from heartbeats t using old where t.name = old.name
;;

-- core.retention.jobs
with old as (
    select id from jobs
    where done_at < %(before)s::timestamptz and state = 'done'
    order by done_at limit %(batch)s::int for update skip locked
)
delete from jobs t using old where t.id = old.id
;;

-- core.retention.login_attempts
with old as (
    select id from login_attempts
    where at < %(before)s::timestamptz and true
    order by at limit %(batch)s::int for update skip locked
)
delete from login_attempts t using old where t.id = old.id
;;

-- core.retention.outbox
with old as (
    select business_id, id from outbox
    where done_at < %(before)s::timestamptz and state in ('sent', 'delivered', 'read', 'captured')
    order by done_at limit %(batch)s::int for update skip locked
)
delete from outbox t using old where t.business_id = old.business_id and t.id = old.id
;;

-- core.retention.sessions
with old as (
    select token_hash from sessions
    where expires_at < %(before)s::timestamptz and true
    order by expires_at limit %(batch)s::int for update skip locked
)
delete from sessions t using old where t.token_hash = old.token_hash
;;

-- core.schedules.DECLARE
insert into schedules as s (name, kind, time_zone, daily_at, every_seconds, next_at)
values (%(name)s, %(kind)s, %(time_zone)s, %(daily_at)s::time, %(every_seconds)s::int, %(next_at)s::timestamptz)
on conflict (name) do update set
    kind = excluded.kind, time_zone = excluded.time_zone, daily_at = excluded.daily_at,
    every_seconds = excluded.every_seconds,
    next_at = case
        when (s.time_zone, s.daily_at, s.every_seconds)
            is not distinct from (excluded.time_zone, excluded.daily_at, excluded.every_seconds) then s.next_at
        else excluded.next_at end
;;

-- core.schedules.DUE
select name, kind, time_zone, daily_at, every_seconds, next_at from schedules
where next_at <= %(now)s::timestamptz order by name for update skip locked
;;

-- core.schedules.FORGET
delete from schedules where name <> all(%(names)s::text[])
;;

-- core.schedules.MOVE
update schedules set next_at = %(next_at)s::timestamptz, last_at = %(now)s::timestamptz where name = %(name)s
;;

-- core.schedules.NOW
select now()
;;

-- core.sending.ASK_A_PERSON
update outbox set state = 'parked', reason = reason || '; only a person can find out whether it was sent'
where business_id = %(business_id)s::int and state = 'unknown' and channel = any(%(channels)s::text[])
    and (channel <> all(%(telling)s::text[]) or (resent and not_before <= now()))
;;

-- core.sending.CAPTURE
update outbox set state = 'captured', done_at = now()
where business_id = %(business_id)s::int and state = 'waiting' and recipient <> all(%(allowed)s::text[])
;;

-- core.sending.CLAIM
with next as (
    select o.id from outbox o
    where o.business_id = %(business_id)s::int and o.channel = any(%(channels)s::text[]) and o.not_before <= now()
        and (o.state = 'waiting' or o.state = 'unknown' and not o.resent and o.channel = any(%(telling)s::text[]))
        and o.state in ('waiting', 'sending', 'unknown')
        and (%(everybody)s::bool or o.recipient = any(%(allowed)s::text[]))
        and not exists (
            select from outbox e
            where e.business_id = o.business_id and e.channel = o.channel and e.recipient = o.recipient
                and e.id < o.id and e.state in ('waiting', 'sending'))
    order by o.not_before, o.id limit 1 for update skip locked
)
update outbox o set state = 'sending', claimed_by = %(worker)s::uuid, attempts = o.attempts + 1,
    lease_until = clock_timestamp() + make_interval(secs => %(lease)s::float8),
    resent = o.resent or o.state = 'unknown', reason = null
from next where o.business_id = %(business_id)s::int and o.id = next.id
returning o.id, o.attempts, o.resent, o.channel, o.account, o.recipient, o.dedup_key, o.body
;;

-- core.sending.EXPIRE
update outbox set state = 'unknown', lease_until = null,
    reason = 'its sender was stopped before it could write down the answer',
    not_before = lease_until + make_interval(secs => %(unknown_after)s::float8)
where business_id = %(business_id)s::int and state = 'sending' and lease_until <= clock_timestamp()
    and channel = any(%(channels)s::text[])
;;

-- core.sending.RECORD
update outbox set
    state = case when state in ('sending', 'unknown', 'parked') then %(state)s::text else state end,
    external_id = coalesce(%(external_id)s::text, external_id), reason = %(reason)s::text, lease_until = null,
    not_before = clock_timestamp() + make_interval(secs => %(delay)s::float8),
    done_at = coalesce(done_at, case when %(state)s::text = 'sent' then now() end)
where business_id = %(business_id)s::int and id = %(id)s::bigint and claimed_by = %(worker)s::uuid
    and (state in ('sending', 'unknown') or %(state)s::text = 'sent' and state <> 'waiting')
;;

-- core.sessions.END
delete from sessions
where account_id = %(account_id)s and token_hash = decode(%(handle)s, 'hex')
;;

-- core.sessions.END_ALL
delete from sessions
where account_id = %(account_id)s
    and (%(business_id)s::int is null or business_id = %(business_id)s::int)
    and (%(except_hash)s::bytea is null or token_hash <> %(except_hash)s::bytea)
;;

-- core.sessions.END_BY_COOKIE
delete from sessions where token_hash = %(token_hash)s
;;

-- core.sessions.LIVE
select encode(token_hash, 'hex'), created_at, seen_at
from sessions
where account_id = %(account_id)s and expires_at > now() and seen_at > now() - interval '12 hours'
order by seen_at desc, token_hash
;;

-- core.sessions.RESOLVE
with found as (
    select s.token_hash, a.id, a.display_name, s.business_id, r.role, a.must_change,
        b.name, b.time_zone, b.locale as business_locale, a.locale, a.theme
    from sessions s
    join accounts a on a.id = s.account_id and a.active
    join account_roles r on r.account_id = s.account_id and r.business_id = s.business_id
    join businesses b on b.id = s.business_id
    where s.token_hash = %(token_hash)s and s.expires_at > now() and s.seen_at > now() - interval '12 hours'
),
seen as (
    update sessions s set seen_at = now()
    from found f
    where s.token_hash = f.token_hash and s.seen_at < now() - interval '1 minute'
)
select id, display_name, business_id, role, must_change, name, time_zone, business_locale,
    locale, theme
from found
;;

-- core.sessions.START
insert into sessions (token_hash, account_id, business_id, expires_at)
values (%(token_hash)s, %(account_id)s, %(business_id)s, now() + make_interval(days => %(days)s))
on conflict (token_hash) do nothing
;;

-- core.sources.MOVE
insert into source_positions (business_id, channel, account, position)
values (%(business_id)s, %(channel)s, %(account)s, %(position)s)
on conflict (business_id, channel, account) do update set position = excluded.position, moved_at = now()
;;

-- core.sources.POSITION
select position from source_positions
where business_id = %(business_id)s and channel = %(channel)s and account = %(account)s
;;

-- core.sources.RESOLVE
update messages m set sender_phone = u.phone
from unnest(%(lids)s::text[], %(phones)s::text[]) as u (lid, phone)
where m.business_id = %(business_id)s and m.sender_phone is null and m.sender_lid = u.lid
returning m.id
;;

-- core.sources.UNRESOLVED
select distinct sender_lid from messages
where business_id = %(business_id)s and sender_phone is null and sender_lid is not null
;;

-- core.violations.INSERT
insert into constraint_violations
    (sqlstate, table_name, constraint_name, declared, key_masked, existing, place)
values (%(sqlstate)s, %(table)s, %(constraint)s, %(declared)s, %(key)s, %(existing)s::jsonb, %(place)s)
;;

-- core.wakeups.WAKE
select pg_notify('tallybook_' || case current_schema() when 'public' then 'prod' else current_schema() end,
    %(topic)s || ' ' || %(business_id)s::text)
;;

-- monitor.store.filing.ADD_INVALID
insert into invalid_drop_submissions
    (business_id, drop_number, project, sender, group_jid, submitted_at, message_id)
select %(business_id)s, u.* from unnest(%(drop_number)s::text[], %(project)s::text[], %(phone)s::text[],
    %(chat)s::text[], %(said_at)s::timestamptz[], %(message_id)s::bigint[]) as u
on conflict (business_id, project, drop_number, message_id) do nothing
returning drop_number, project
;;

-- monitor.store.filing.ADD_SUBMISSIONS
insert into qa_submissions
    (business_id, space, drop_number, message_id, project, sender_phone, said_at, effect)
select %(business_id)s, u.* from unnest(%(space)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[],
    %(project)s::text[], %(phone)s::text[], %(said_at)s::timestamptz[], %(effect)s::text[]) as u
on conflict (business_id, space, drop_number, message_id) do nothing
;;

-- monitor.store.filing.CREATE_REVIEWS
insert into qa_photo_reviews (business_id, id, space, drop_number, project, review_date, user_name, submitted_by,
    sender_phone, comment, whatsapp_message_date, bridge_source)
select %(business_id)s, u.id, u.space, u.drop_number, u.project, u.review_date, coalesce(u.phone, 'unresolved'),
    u.phone, u.phone, u.comment, u.said_at, u.bridge
from unnest(%(ids)s::uuid[], %(space)s::text[], %(drop_number)s::text[], %(project)s::text[], %(review_date)s::date[],
    %(phone)s::text[], %(comment)s::text[], %(said_at)s::timestamptz[], %(bridge)s::text[])
    as u (id, space, drop_number, project, review_date, phone, comment, said_at, bridge)
on conflict (business_id, space, drop_number, review_date) do nothing
returning space, drop_number
;;

-- monitor.store.filing.FIND_REVIEWS
select u.space, u.drop_number, r.id, r.whatsapp_message_date
from unnest(%(space)s::text[], %(drop_number)s::text[]) as u (space, drop_number)
cross join lateral (
    select id, whatsapp_message_date from qa_photo_reviews
    where business_id = (select %(business_id)s::int) and space = u.space and drop_number = u.drop_number
    order by review_date desc
    limit 1) r
;;

-- monitor.store.filing.FIND_SUBMISSIONS
select s.space, s.drop_number, s.message_id
from qa_submissions s
join unnest(%(space)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[]) as u (space, drop_number, message_id)
    using (space, drop_number, message_id)
where s.business_id = (select %(business_id)s::int)
;;

-- monitor.store.filing.LOCK_DROPS
insert into drops (business_id, space, drop_number, last_posted_at)
select %(business_id)s, u.space, u.drop_number, u.said_at
from unnest(%(space)s::text[], %(drop_number)s::text[], %(said_at)s::timestamptz[]) as u (space, drop_number, said_at)
on conflict (business_id, space, drop_number) do update set
    previous_posted_at = drops.last_posted_at,
    last_posted_at = greatest(drops.last_posted_at, excluded.last_posted_at)
returning space, drop_number, previous_posted_at
;;

-- monitor.store.filing.RESUBMIT
update qa_photo_reviews r set
    resubmitted = true, incomplete = false, feedback_sent = null,
    submitted_by = coalesce(u.phone, r.submitted_by), sender_phone = coalesce(u.phone, r.sender_phone),
    user_name = coalesce(u.phone, r.user_name), comment = concat_ws(E'\n', r.comment, u.note), updated_at = now()
from unnest(%(ids)s::uuid[], %(phone)s::text[], %(note)s::text[]) as u (id, phone, note)
where r.business_id = %(business_id)s and r.id = u.id
;;

-- monitor.store.filing.VALID
select v.drop_number, v.project
from unnest(%(drop_number)s::text[]) as u (drop_number)
join valid_drop_numbers v on v.business_id = (select %(business_id)s::int) and v.drop_number = u.drop_number
;;

-- monitor.store.marketing.ACTIVATE
insert into marketing_activations
    (business_id, project, drop_number, whatsapp_message_date, submitted_by, user_name, is_valid, validation_message)
select %(business_id)s, u.project, u.drop_number, u.said_at, u.phone, u.phone, u.is_valid, u.says
from unnest(%(project)s::text[], %(drop_number)s::text[], %(said_at)s::timestamptz[], %(phone)s::text[],
    %(is_valid)s::bool[], %(says)s::text[]) as u (project, drop_number, said_at, phone, is_valid, says)
on conflict (business_id, project, drop_number) do nothing
returning drop_number, project
;;

-- monitor.store.marketing.ADD_POSTS
insert into marketing_posts (business_id, project, drop_number, message_id, sender_phone, said_at)
select %(business_id)s, u.* from unnest(%(project)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[],
    %(phone)s::text[], %(said_at)s::timestamptz[]) as u
on conflict (business_id, project, drop_number, message_id) do nothing
;;

-- monitor.store.projects.MIRROR
insert into monitor_projects (business_id, name, kind, drop_space, group_jid, validated)
select %(business_id)s, u.* from unnest(
    %(name)s::text[], %(kind)s::text[], %(space)s::text[], %(group)s::text[], %(validated)s::bool[]) as u
on conflict (business_id, name) do update set
    kind = excluded.kind, drop_space = excluded.drop_space, group_jid = excluded.group_jid,
    validated = excluded.validated, active = true
;;

-- monitor.store.projects.OUR_WORDS
select m.id from messages m
where m.business_id = %(business_id)s and m.id = any(%(ids)s::bigint[])
and exists (
    select 1 from outbox o
    where o.business_id = m.business_id and (o.external_id = m.external_id
        or o.recipient = m.chat and o.body ->> 'text' = m.text))
;;

-- monitor.store.projects.RESOLVE_ACTIVATIONS
update marketing_activations a set submitted_by = ltrim(p.sender_phone, '+'), user_name = ltrim(p.sender_phone, '+')
from marketing_posts p
where a.business_id = %(business_id)s and a.submitted_by is null
and p.business_id = a.business_id and p.message_id = any(%(ids)s::bigint[])
and p.project = a.project and p.drop_number = a.drop_number and p.said_at = a.whatsapp_message_date
;;

-- monitor.store.projects.RESOLVE_INVALID
update invalid_drop_submissions i set sender = ltrim(m.sender_phone, '+')
from messages m
where i.business_id = %(business_id)s and i.message_id = any(%(ids)s::bigint[]) and i.sender is null
and m.business_id = i.business_id and m.id = i.message_id
;;

-- monitor.store.projects.RESOLVE_MARKETING_POSTS
update marketing_posts p set sender_phone = m.sender_phone
from messages m
where p.business_id = %(business_id)s and p.message_id = any(%(ids)s::bigint[]) and p.sender_phone is null
and m.business_id = p.business_id and m.id = p.message_id
;;

-- monitor.store.projects.RESOLVE_REVIEWS
update qa_photo_reviews r set
    submitted_by = ltrim(m.sender_phone, '+'), sender_phone = ltrim(m.sender_phone, '+'),
    user_name = ltrim(m.sender_phone, '+')
from qa_submissions s
join messages m on m.business_id = s.business_id and m.id = s.message_id
where s.business_id = %(business_id)s and s.message_id = any(%(ids)s::bigint[]) and s.effect <> 'history'
and r.business_id = s.business_id and r.space = s.space and r.drop_number = s.drop_number
and r.user_name = 'unresolved'
;;

-- monitor.store.projects.RESOLVE_SUBMISSIONS
update qa_submissions s set sender_phone = m.sender_phone
from messages m
where s.business_id = %(business_id)s and s.message_id = any(%(ids)s::bigint[]) and s.sender_phone is null
and m.business_id = s.business_id and m.id = s.message_id
;;

-- monitor.store.projects.RETIRE
update monitor_projects set active = false
where business_id = %(business_id)s and active and name <> all(%(name)s::text[])
;;

-- monitor.store.reviews.CHANGES
select at, who, action, before, after from audit_log
where business_id = %(business_id)s and subject = 'review' and subject_id = %(id)s
order by id
;;

-- monitor.store.reviews.COUNT
select count(*) from qa_photo_reviews r where 
r.business_id = %(business_id)s
and (%(project)s::text is null or r.project = %(project)s)
and (%(search)s::text is null or r.drop_number like %(search)s)
and (%(completed)s::bool is null or r.completed = %(completed)s)
and (%(resubmitted)s::bool is null or r.resubmitted = %(resubmitted)s)
and (
    (%(start)s::timestamptz is null or coalesce(r.whatsapp_message_date, r.created_at) >= %(start)s) and (%(end)s::timestamptz is null or coalesce(r.whatsapp_message_date, r.created_at) < %(end)s)
    or (r.space, r.drop_number) in (
        select s.space, s.drop_number from qa_submissions s
        where s.business_id = %(business_id)s
        and (%(start)s::timestamptz is null or s.said_at >= %(start)s)
        and (%(end)s::timestamptz is null or s.said_at < %(end)s))
)
;;

-- monitor.store.reviews.DAY_COUNTS
with posted as (
    select s.project, s.drop_number, s.space, (s.said_at at time zone %(zone)s)::date as day
    from qa_submissions s
    where s.business_id = %(business_id)s and s.said_at >= %(start)s and s.said_at < %(end)s
    union
    select r.project, r.drop_number, r.space, (r.whatsapp_message_date at time zone %(zone)s)::date
    from qa_photo_reviews r
    where r.business_id = %(business_id)s and r.whatsapp_message_date >= %(start)s and r.whatsapp_message_date < %(end)s
    union
    select a.project, a.drop_number, null, (a.whatsapp_message_date at time zone %(zone)s)::date
    from marketing_activations a
    where a.business_id = %(business_id)s and a.whatsapp_message_date >= %(start)s and a.whatsapp_message_date < %(end)s
), states as (
    select p.project, p.day, count(*) as drops,
        count(*) filter (where r.completed) as complete, count(*) filter (where r.resubmitted) as again
    from posted p
    left join lateral (
        select completed, resubmitted from qa_photo_reviews r
        where r.business_id = %(business_id)s and r.space = p.space and r.drop_number = p.drop_number
        and p.day = %(today)s
        order by r.review_date desc limit 1) r on true
    group by p.project, p.day
)
select p.name, p.kind,
    coalesce(sum(s.drops) filter (where s.day = %(today)s), 0)::int,
    coalesce(sum(s.complete) filter (where s.day = %(today)s), 0)::int,
    coalesce(sum(s.again) filter (where s.day = %(today)s), 0)::int,
    coalesce(jsonb_object_agg(s.day, s.drops) filter (where s.day < %(today)s), '{}')
from monitor_projects p
left join states s on s.project = p.name
where p.business_id = %(business_id)s and p.active
group by p.name, p.kind
order by p.kind desc, p.name
;;

-- monitor.store.reviews.FIND
select r.id, r.drop_number, r.project, r.space, r.review_date, r.whatsapp_message_date, r.user_name, r.submitted_by,
    r.assigned_agent, array[r.step_01_house_photo, r.step_05_wall_for_installation, r.step_02_cable_from_pole, r.step_03_cable_entry_outside, r.step_04_cable_entry_inside, r.step_06_ont_back_after_install, r.step_10_final_installation, r.step_08_ont_barcode, r.step_09_ups_serial, r.step_07_power_meter_reading, r.step_11_green_lights, r.step_12_customer_signature], r.incorrect_comments, r.comment, r.resubmitted, r.completed, r.feedback_sent,
    r.updated_at, r.locked_by_account, r.locked_by, r.locked_at
from qa_photo_reviews r
where r.business_id = %(business_id)s and r.id = %(id)s
;;

-- monitor.store.reviews.PAGE
select r.id, r.drop_number, r.project, coalesce(r.whatsapp_message_date, r.created_at), r.user_name,
    (select count(*) from qa_submissions s
     where s.business_id = r.business_id and s.space = r.space and s.drop_number = r.drop_number),
    r.resubmitted, r.completed, array[r.step_01_house_photo, r.step_05_wall_for_installation, r.step_02_cable_from_pole, r.step_03_cable_entry_outside, r.step_04_cable_entry_inside, r.step_06_ont_back_after_install, r.step_10_final_installation, r.step_08_ont_barcode, r.step_09_ups_serial, r.step_07_power_meter_reading, r.step_11_green_lights, r.step_12_customer_signature], r.incorrect_comments,
    case when r.locked_at > now() - interval '5 minutes' then r.locked_by end
from qa_photo_reviews r
where 
r.business_id = %(business_id)s
and (%(project)s::text is null or r.project = %(project)s)
and (%(search)s::text is null or r.drop_number like %(search)s)
and (%(completed)s::bool is null or r.completed = %(completed)s)
and (%(resubmitted)s::bool is null or r.resubmitted = %(resubmitted)s)
and (
    (%(start)s::timestamptz is null or coalesce(r.whatsapp_message_date, r.created_at) >= %(start)s) and (%(end)s::timestamptz is null or coalesce(r.whatsapp_message_date, r.created_at) < %(end)s)
    or (r.space, r.drop_number) in (
        select s.space, s.drop_number from qa_submissions s
        where s.business_id = %(business_id)s
        and (%(start)s::timestamptz is null or s.said_at >= %(start)s)
        and (%(end)s::timestamptz is null or s.said_at < %(end)s))
)

and (%(after_id)s::uuid is null
    or (r.resubmitted, coalesce(r.whatsapp_message_date, r.created_at), r.id)
        < (%(after_resubmitted)s::bool, %(after_said_at)s::timestamptz, %(after_id)s::uuid))
order by r.resubmitted desc, coalesce(r.whatsapp_message_date, r.created_at) desc, r.id desc
limit %(limit)s
;;

-- monitor.store.reviews.RELEASE_LOCK
update qa_photo_reviews set locked_by = null, locked_by_account = null, locked_at = null
where business_id = %(business_id)s and id = %(id)s and locked_by_account = %(account_id)s
;;

-- monitor.store.reviews.SUBMISSIONS
select s.project, s.sender_phone, s.said_at, m.seen_at, s.effect
from qa_submissions s
join messages m on m.business_id = s.business_id and m.id = s.message_id
where s.business_id = %(business_id)s and s.space = %(space)s and s.drop_number = %(drop_number)s
order by s.said_at, s.message_id
;;

-- monitor.store.reviews.TAKE_LOCK
update qa_photo_reviews set locked_by = %(name)s, locked_by_account = %(account_id)s, locked_at = %(now)s
where business_id = %(business_id)s and id = %(id)s
and (locked_at is null or locked_at <= %(expired)s or locked_by_account = %(account_id)s)
;;

-- monitor.store.reviews.WRITE
update qa_photo_reviews set (step_01_house_photo, step_05_wall_for_installation, step_02_cable_from_pole, step_03_cable_entry_outside, step_04_cable_entry_inside, step_06_ont_back_after_install, step_10_final_installation, step_08_ont_barcode, step_09_ups_serial, step_07_power_meter_reading, step_11_green_lights, step_12_customer_signature) = row (%(step_01_house_photo)s, %(step_05_wall_for_installation)s, %(step_02_cable_from_pole)s, %(step_03_cable_entry_outside)s, %(step_04_cable_entry_inside)s, %(step_06_ont_back_after_install)s, %(step_10_final_installation)s, %(step_08_ont_barcode)s, %(step_09_ups_serial)s, %(step_07_power_meter_reading)s, %(step_11_green_lights)s, %(step_12_customer_signature)s),
    completed_photos = %(completed_photos)s, outstanding_photos = %(outstanding_photos)s,
    completed = %(completed)s, incomplete = %(incomplete)s,
    incorrect_steps = %(incorrect_steps)s::text[], incorrect_comments = %(incorrect_comments)s::jsonb,
    comment = %(comment)s, updated_at = %(updated_at)s
where business_id = %(business_id)s and id = %(id)s
;;

-- monitor.store.rhythm.RHYTHMS
with recent as (
    select p.name, m.said_at, m.said_at - lag(m.said_at) over (partition by p.name order by m.said_at) as silence
    from monitor_projects p
    join messages m on m.business_id = p.business_id and m.chat = p.group_jid
    where p.business_id = %(business_id)s and p.active and m.said_at > %(since)s
)
select p.name, count(r.said_at), max(r.said_at), max(r.silence)
from monitor_projects p
left join recent r on r.name = p.name
where p.business_id = %(business_id)s and p.active
group by p.name
order by p.name
;;

-- monitor.store.validity.ADD
insert into valid_drop_numbers (business_id, drop_number, project, sync_source)
select %(business_id)s, u.drop_number, u.project, 'import'
from unnest(%(drop_number)s::text[], %(project)s::text[]) as u (drop_number, project)
on conflict (business_id, drop_number, project) do nothing
;;

-- web.live.VERSION
select b.id,
    (select max(a.id) from audit_log a where a.business_id = b.id),
    (select max(m.id) from messages m where m.business_id = b.id),
    (select max(p.moved_at) from source_positions p where p.business_id = b.id)
from businesses b where b.id = any(%(ids)s::int[])
;;

-- worker.FIRST_ZONE
select time_zone from businesses order by id limit 1
;;
