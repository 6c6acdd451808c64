-- Nobody on duty by hand: an override by which nobody is on duty in its time, with the reason.

-- The replacement is then whose turn it is, so that a release that does not know the column leaves them on duty.
alter table overrides
    add column nobody boolean not null default false,
    add constraint overrides_nobody_says_why check (not nobody or (swap_id is null and reason::text <> ''));
