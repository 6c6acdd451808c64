-- When somebody last changed their status in Slack, as Slack tells it: what comes later of an earlier one says nothing.
alter table triage_people add column status_at timestamptz;
