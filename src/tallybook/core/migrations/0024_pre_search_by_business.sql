-- Each business's words stand together in the index of words, so that a search goes through its own alone.

-- Before each word of a message, as it is sought, stands whose it is: ǁ7ǁinvoice. Beside them stand, as before, whose the
-- message is and the week and the quarter of its time. Of a word the first 500 letters are sought, since no longer one
-- fits, whatever its letters: docs/decisions/0040. Python's inbox/search_rules.py says the same.
create or replace function said_words(business_id int, said_at timestamptz, body text) returns tsvector
language sql immutable parallel safe as $$
select array_to_tsvector(array[
        'ǁ' || business_id, 'ǁ' || business_id || 'w' || floor(extract(epoch from said_at))::bigint / 604800,
        'ǁ' || business_id || 'q' || floor(extract(epoch from said_at))::bigint / 7862400]
    || array(select 'ǁ' || business_id || 'ǁ' || left(x.word, 500) from unnest(tsvector_to_array(
        to_tsvector('simple'::regconfig, regexp_replace(case when octet_length(body) = char_length(body) then left(body, 10000)
        else translate(regexp_replace(regexp_replace(left(body, 10000),
            '[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u0652]', '', 'g'),
            '[\u0080-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u05be\u05c0\u05c3\u05f3\u05f4\u060c\u061b\u061f\u2000-\u2bff\u3000-\u303f\ufe00-\ufe0f\ufeff\U0001f000-\U0001faff]',
            ' ', 'g'), 'ךםןףץ', 'כמנפצ') end,
        '[./@_+<&~-]', ' ', 'g')))) x (word)))
$$;

-- What was read already is read again by the worker, some ten thousand messages a second.
truncate message_words, message_words_marks;
