-- The inbox's bot: answers that were withdrawn, drafts that people settled, and what a language model used.

-- ``asked_at`` is when we saw the first message of the burst, null of what was decided before this was kept.
-- ``withdrawn`` counts the answers to it that were taken back before they left: then it is decided anew, and until then
-- the decision is that. ``responder`` is who thought it out. ``draft_state`` says what a person did with a draft.
alter table reply_decisions
    drop constraint reply_decisions_decision_known,
    add constraint reply_decisions_decision_known check (
        decision::text in ('answered', 'drafted', 'handed_over', 'suppressed', 'waiting', 'withdrawn')),
    add column asked_at timestamptz,
    add column withdrawn int not null default 0,
    add column responder varchar(16) not null default 'faq',
    add column draft_state varchar(16),
    add column draft_by varchar(100),
    add column draft_at timestamptz,
    add constraint reply_decisions_draft_known check (draft_state::text in ('sent', 'discarded')),
    add constraint reply_decisions_draft_settled check ((draft_state is null) = (draft_at is null));
create index reply_decisions_when on reply_decisions (business_id, decided_at, conversation_id, seq)
    include (decision, asked_at);
create index reply_decisions_answer on reply_decisions (business_id, outgoing_key) where outgoing_key is not null;

-- When somebody last called the bot back: what people said before that does not silence it.
alter table whatsapp_conversation add column bot_called_at timestamptz;

-- What the language model was given and gave on a day of the business's, taken before it is asked, so that any number
-- of workers keep the limits. ``cost`` is in millionths of the currency in which the prices are given.
create table inbox_model_days (
    business_id int not null default only_business(),
    day date not null,
    requests int not null default 0,
    tokens bigint not null default 0,
    cost bigint not null default 0,
    constraint inbox_model_days_pkey primary key (business_id, day)
);
