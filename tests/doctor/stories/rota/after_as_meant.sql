-- The fix as it was meant for the sprints: their key goes, with the foreign key that stood on it, and the partial index
-- is all that is left. It refuses what the key refused, and serves neither ON CONFLICT nor a foreign key.
alter table sprints drop constraint sprints_sprint_index_key cascade;
create unique index idx_sprints_active_unique on sprints (sprint_index) where sprint_index is not null;
