-- The fix: of the threads with one key the latest stays and the others are closed, then the key is added. They lose
-- their key for that, since closing them alone would leave it doubled. Nothing was done about the messages: "already
-- working correctly".
update whatsapp_conversation c set is_open = false, canonical_key = null
where exists (
    select from whatsapp_conversation later
    where later.business_id = c.business_id and later.canonical_key = c.canonical_key
        and later.last_message_at > c.last_message_at);

alter table whatsapp_conversation add constraint uq_wa_conv_business_canonical unique (business_id, canonical_key);
