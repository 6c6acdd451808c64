-- Where drops are, as somebody's list says: what the marketing page's map links lead to.

create table drop_locations (
    business_id int not null references businesses,
    drop_number varchar(50) not null,
    latitude double precision not null,
    longitude double precision not null,
    imported_at timestamptz not null default now(),
    constraint drop_locations_pkey primary key (business_id, drop_number),
    constraint drop_locations_on_earth check (latitude >= -90 and latitude <= 90 and longitude >= -180 and longitude <= 180)
);
