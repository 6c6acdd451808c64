-- Who asks the language model about which burst: of any number of workers one, until ``lease_until``.

-- ``seq`` is the last message of the burst. ``claims`` counts who began: the second took over from one that died.
create table inbox_model_leases (
    business_id int not null default only_business(),
    conversation_id bigint not null,
    seq bigint not null,
    claimed_by uuid not null,
    lease_until timestamptz not null,
    claims int not null default 1,
    constraint inbox_model_leases_pkey primary key (business_id, conversation_id, seq),
    constraint inbox_model_leases_conversation_fkey
        foreign key (business_id, conversation_id) references whatsapp_conversation on delete cascade
);
