-- Two services, one table: what the developers try out in Velo Test lies among production's rows, in schema public.
create table public.qa_photo_reviews (
    id uuid default gen_random_uuid() not null,
    drop_number character varying(50) not null,
    project text not null,
    user_name character varying(100),
    review_date date default current_date not null,
    created_at timestamp with time zone default now() not null,
    constraint qa_photo_reviews_pkey primary key (id),
    constraint qa_photo_reviews_drop_number_key unique (drop_number),
    constraint qa_photo_reviews_drop_number_review_date_key unique (drop_number, review_date)
);

create schema dev;

insert into public.qa_photo_reviews (drop_number, project, user_name, review_date) values
    ('DR1752104', 'Lawley', '27820000001', '2025-11-06'),
    ('DR1752105', 'Mohadin', '27820000002', '2025-11-07'),
    ('DR1790001', 'Velo Test', '27820000009', '2025-11-08'),
    ('DR1790002', 'Velo Test', '27820000009', '2025-11-09');
