-- Lines of what is filed in its order: one for each workspace, so that what is stuck in one delays no other.

-- '' is of no line, as whatever an earlier release kept: what came after it waits for it.
alter table deliveries add column line text not null default '';
create index deliveries_in_line on deliveries (channel, line, received_at, id)
    where state::text = 'waiting' and line <> '';
