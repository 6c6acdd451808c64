-- What a conversation that is over was about, and what it suggests that people take over.

-- ``topic`` is '' where nobody knows it; ``topic_id`` the known answer (inbox_answers) whose question it is, and
-- ``topic_source`` known_answer or model. ``suggested_status`` is a status that the lead might come to, suggested by a
-- rule of ours (local) or a model; ``found_name`` and ``found_email`` are what the customer wrote of themselves. None of
-- it changes a lead until a person takes it over.
alter table conversation_sessions
    add column topic varchar(200) not null default '',
    add column topic_id bigint,
    add column topic_confidence double precision,
    add column topic_source varchar(16),
    add column suggested_status varchar(60),
    add column suggested_by varchar(16),
    add column found_name varchar(200),
    add column found_email varchar(320),
    add constraint conversation_sessions_topic_whole check (
        (topic = '') = (topic_confidence is null) and (topic = '') = (topic_source is null)
        and coalesce(topic_confidence >= 0 and topic_confidence <= 1, true)),
    add constraint conversation_sessions_suggested_whole check ((suggested_status is null) = (suggested_by is null));
