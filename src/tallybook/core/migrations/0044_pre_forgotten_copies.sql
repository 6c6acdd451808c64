-- By which numbers those were known who were forgotten: the rows of another environment's copy keep them, and here they
-- are nobody's any more. A number says of nobody who they were.
alter table erasures add column contacts bigint[] not null default '{}';
