-- The fix was in the code alone: "no schema changes required: the unique index already exists". It exists over another
-- set of columns, so the statement is refused as before, and so is every message that it came with.
insert into whatsapp_message (business_id, conversation_id, direction, body, created_at) values
    (1, null, 'in', 'Nobody answers', '2025-12-03 09:00+00');
