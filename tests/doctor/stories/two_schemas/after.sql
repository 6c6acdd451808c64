-- The fix: a table of the developers' own, with the rows of the last days copied into it. It was written out with one
-- key where production had two, so what production refuses can never be seen in dev.
create table if not exists dev.qa_photo_reviews (
    id uuid default gen_random_uuid() primary key,
    drop_number character varying(50) not null,
    project text not null,
    user_name character varying(100),
    review_date date default current_date not null,
    created_at timestamp with time zone default now() not null,
    unique (drop_number, review_date)
);

create index if not exists idx_dev_qa_reviews_date on dev.qa_photo_reviews (review_date);
create index if not exists idx_dev_qa_reviews_drop on dev.qa_photo_reviews (drop_number);
create index if not exists idx_dev_qa_reviews_user on dev.qa_photo_reviews (user_name);

insert into dev.qa_photo_reviews select * from public.qa_photo_reviews where project = 'Velo Test';
delete from public.qa_photo_reviews where project = 'Velo Test';

-- One drop, tried twice on two days: dev takes what production refuses.
insert into dev.qa_photo_reviews (drop_number, project, user_name, review_date) values
    ('DR1790001', 'Velo Test', '27820000009', '2025-11-10');
