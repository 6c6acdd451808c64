-- Known questions are found by how a word is spelt, too; a number may have a pace of its own, and says whether it is
-- connected; who failed to answer is known.

-- A database that `tallybook env create` has not made has no such place yet.
create schema if not exists extensions;
create extension if not exists pg_trgm with schema extensions;
create index inbox_answers_spelling on inbox_answers using gin (question gin_trgm_ops);

-- How many messages a second its provider takes of it; null where it is the channel's usual number.
alter table channel_accounts add column per_second int,
    add constraint channel_accounts_per_second_known check (per_second is null or per_second >= 1 and per_second <= 1000);

-- What its gateway last said of the connection, by the gateway's clock; '' where it said nothing.
alter table channel_arrivals add column connection varchar(20) not null default '',
    add column connection_at timestamptz;

-- A file that is on its way already is not asked for a second time.
create index inbox_files_awaited on inbox_files (business_id, told_sha256)
    where state::text = 'waiting' and told_sha256 is not null;

-- Who failed to think out an answer, so that a person was asked or a known answer was given: null where nobody did.
alter table reply_decisions add column failed varchar(16);
create index reply_decisions_failed on reply_decisions (business_id, decided_at) where failed is not null;
