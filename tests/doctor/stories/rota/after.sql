-- The fix as far as PostgreSQL takes it. A person may have several disciplines now. The sprints' key stays, since a
-- foreign key needs it, and gains a partial twin; the one row of the state may be three; the new key of the requests
-- still takes two approved ones for one slot, and takes the double request out for good.
alter table users drop constraint users_slack_id_key;
alter table users add constraint users_slack_discipline_unique unique (slack_id, discipline);
create index idx_users_slack_discipline on users (slack_id, discipline);

create unique index idx_sprints_active_unique on sprints (sprint_index) where sprint_index is not null;

alter table current_state drop constraint unique_current_state;
alter table current_state add constraint unique_current_state unique (id);

delete from overrides a using overrides b
where a.id < b.id and a.sprint_index = b.sprint_index and a.role = b.role and a.requested_by = b.requested_by
    and a.replacement_slack_id = b.replacement_slack_id;
alter table overrides add constraint overrides_unique_request
    unique (sprint_index, role, requested_by, replacement_slack_id);

insert into users (slack_id, name, discipline) values ('U0000001', 'Ana', 'beEng');
insert into current_state (id, sprint_index, ui_eng_slack_id, last_updated) values
    (2, 11, 'U0000002', '2025-09-18 09:00'), (3, 12, 'U0000003', '2025-10-01 08:00');
