-- The fix: the key over the drop number alone goes, and the four drops are put in by hand. The key that stays knows no
-- project either: a drop of Velo Test and the same drop in Lawley still refuse each other on the same day.
alter table qa_photo_reviews drop constraint if exists qa_photo_reviews_drop_number_key;

insert into qa_photo_reviews (drop_number, project, whatsapp_message_date, submitted_by, user_name, review_date) values
    ('DR1752104', 'Lawley', '2025-11-26 11:42:54+00', '27820000001', '27820000001', '2025-11-26'),
    ('DR1733787', 'Lawley', '2025-12-01 13:28+00', '27820000002', '27820000002', '2025-12-01'),
    ('DR1733755', 'Lawley', '2025-12-02 09:28+00', '27820000001', '27820000001', '2025-12-02'),
    ('DR1733714', 'Lawley', '2025-12-02 11:24+00', '27820000003', '27820000003', '2025-12-02');
