-- Phones that were left: carriers give them to somebody else in time.

-- ``left_at`` is when it was said that they left the phone that they are known by here; null of every other name. They
-- are gone from it only while they go by another phone. Nobody else has it yet.
alter table contact_identities add column left_at timestamptz;
-- Those of whom it was said before this was kept, at the latest when they came to the phone that they have; only where
-- it is sure which one they left: they had these two phones and no other, and nobody was ever joined with them.
update contact_identities i set left_at = c.phone_at
from contacts c
where c.business_id = i.business_id and c.id = i.contact_id and i.kind = 'phone' and c.phone_at is not null
    and c.phone <> i.value and c.merged_into is null
    and (select count(*) from contact_identities o
        where o.business_id = i.business_id and o.contact_id = i.contact_id and o.kind = 'phone') = 2
    and not exists (select from contact_merges g where g.business_id = i.business_id and g.kept_id = i.contact_id)
    and not exists (select from contact_merges g where g.business_id = i.business_id and g.gone_id = i.contact_id);
create index contact_identities_left on contact_identities (business_id, value) where left_at is not null;

-- A phone that was somebody's, and is known to be somebody else's since: a message of it that was said before ``until``
-- is still theirs, by whatever contact they turned out to be.
create table left_phones (
    business_id int not null default only_business(),
    phone varchar(250) not null,
    left_at timestamptz not null,
    until timestamptz not null,
    contact_id bigint not null,
    constraint left_phones_pkey primary key (business_id, phone, left_at),
    constraint left_phones_in_order check (left_at <= until),
    constraint left_phones_contact_fkey foreign key (business_id, contact_id) references contacts on delete cascade
);
create index left_phones_contact on left_phones (business_id, contact_id);
