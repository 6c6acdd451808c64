-- Reviews: feedback, assignment, a drop's photos, and a list that is quick however long it grows.

-- When its newest post was said, so that the list is read from an index; and whose it is to judge.
alter table qa_photo_reviews
    add column assigned_account int references accounts,
    add column last_said_at timestamptz;
update qa_photo_reviews r set last_said_at = greatest(coalesce(r.whatsapp_message_date, r.created_at), (
    select d.last_posted_at from drops d
    where d.business_id = r.business_id and d.space = r.space and d.drop_number = r.drop_number));
alter table qa_photo_reviews alter column last_said_at set not null;
create index qa_photo_reviews_listed on qa_photo_reviews (business_id, resubmitted, last_said_at, id);
create index qa_photo_reviews_waiting on qa_photo_reviews (business_id, resubmitted, last_said_at, id)
    where not completed or resubmitted;
create index qa_photo_reviews_done on qa_photo_reviews (business_id, resubmitted, last_said_at, id)
    where completed and not resubmitted;
create index qa_photo_reviews_assigned on qa_photo_reviews (
    business_id, assigned_account, resubmitted, last_said_at, id) where assigned_account is not null;
create index qa_photo_reviews_project on qa_photo_reviews (business_id, project, resubmitted, last_said_at, id);

-- The one trigger now also says when a row written by hand was said, which such a row does not know.
create or replace function fill_drop_space() returns trigger
language plpgsql set search_path from current as $$
begin
    new.space := coalesce(
        new.space,
        (select p.drop_space from monitor_projects p where p.business_id = new.business_id and p.name = new.project),
        new.project,
        'none');
    new.last_said_at := coalesce(new.last_said_at, greatest(
        coalesce(new.whatsapp_message_date, new.created_at),
        (select d.last_posted_at from drops d
         where d.business_id = new.business_id and d.space = new.space and d.drop_number = new.drop_number)));
    return new;
end $$;
drop trigger qa_photo_reviews_fill_space on qa_photo_reviews;
create trigger qa_photo_reviews_fill_space before insert on qa_photo_reviews
    for each row when (new.space is null or new.last_said_at is null) execute function fill_drop_space();

-- What was said to a drop's poster about its review, one row for each press. What became of it stands in the outbox;
-- `sent_at` is the provider's yes. `posts` is how many posts it speaks of: a later one is not answered by it.
create table review_feedback (
    business_id int not null references businesses,
    review_id uuid not null,
    number int not null,
    text text not null,
    posts int not null,
    who varchar(100) not null,
    account_id int references accounts,
    put_at timestamptz not null default now(),
    sent_at timestamptz,
    constraint review_feedback_pkey primary key (business_id, review_id, number),
    constraint review_feedback_counted check (number > 0)
);

-- What people said of photos that were posted near a drop: is this one of it, or not.
create table drop_photos (
    business_id int not null,
    space varchar(100) not null,
    drop_number varchar(50) not null,
    message_id bigint not null,
    belongs boolean not null,
    who varchar(100) not null,
    account_id int references accounts,
    at timestamptz not null default now(),
    constraint drop_photos_pkey primary key (business_id, space, drop_number, message_id),
    constraint drop_photos_drop_fkey foreign key (business_id, space, drop_number) references drops,
    constraint drop_photos_message_fkey foreign key (business_id, message_id)
        references messages (business_id, id) on delete cascade
);
create index drop_photos_message on drop_photos (business_id, message_id);

-- Whether a message's file was fetched from the bridge. It is kept under the hash of what it holds, which is proved.
create table message_files (
    business_id int not null,
    message_id bigint not null,
    state text not null default 'waiting',
    tries int not null default 1,
    sha256 bytea,
    type text,
    size bigint,
    reason text,
    asked_at timestamptz not null default now(),
    constraint message_files_pkey primary key (business_id, message_id),
    constraint message_files_message_fkey foreign key (business_id, message_id)
        references messages (business_id, id) on delete cascade,
    constraint message_files_state_known check (state in ('waiting', 'kept', 'failed')),
    constraint message_files_kept_whole check ((state = 'kept') = (sha256 is not null and type is not null)),
    constraint message_files_failed_with_reason check ((state = 'failed') = (reason is not null))
);
