-- Finding what was said and who said it, and forgetting somebody who asks for it.

-- The words of a message as they are sought: small letters, Hebrew without vowel points and final letters, each sign
-- between words a space. The first three, which nobody types, say whose message it is and when it was said, by weeks and by quarters of
-- thirteen weeks, so that a search reads no more of the index than it must: docs/decisions/0033. Python's
-- inbox/search_rules.py says the same. What stands behind the first 10,000 letters is not sought.
create function said_words(business_id int, said_at timestamptz, body text) returns tsvector
language sql immutable parallel safe as $$
select strip(to_tsvector('simple'::regconfig,
    'ǁ' || business_id || ' ǁ' || business_id || 'w' || floor(extract(epoch from said_at))::bigint / 604800
    || ' ǁ' || business_id || 'q' || floor(extract(epoch from said_at))::bigint / 7862400 || ' '
    || regexp_replace(case when octet_length(body) = char_length(body) then left(body, 10000)
        else translate(regexp_replace(regexp_replace(left(body, 10000),
            '[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u0652]', '', 'g'),
            '[\u0080-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u05be\u05c0\u05c3\u05f3\u05f4\u060c\u061b\u061f\u2000-\u2bff\u3000-\u303f\ufe00-\ufe0f\ufeff\U0001f000-\U0001faff]',
            ' ', 'g'), 'ךםןףץ', 'כמנפצ') end,
        '[./@_+<&~-]', ' ', 'g')))
$$;

-- What can be found, a moment after it was filed: kept beside the messages, so that filing them costs no more than
-- before. Who said it and when stand here too, since a search asks for them.
create table message_words (
    business_id int not null default only_business(),
    message_id bigint not null,
    said_at timestamptz not null,
    source varchar(16) not null,
    words tsvector not null,
    constraint message_words_pkey primary key (business_id, message_id),
    constraint message_words_message_fkey
        foreign key (business_id, message_id) references whatsapp_message on delete cascade
);
create index message_words_words on message_words using gin (words);
-- Messages that say something else since they were read for this.
create table message_words_due (
    business_id int not null default only_business(),
    message_id bigint not null,
    constraint message_words_due_pkey primary key (business_id, message_id),
    constraint message_words_due_message_fkey
        foreign key (business_id, message_id) references whatsapp_message on delete cascade
);
-- How far the messages have been read for this: everything that could be seen up to ``read_to``, and without any
-- exception what lies up to ``whole_to``. ``next_whole_to`` follows it once every transaction is over that may have
-- begun before ``at``: transaction ``next_xid``.
create table message_words_marks (
    business_id int not null default only_business(),
    read_to bigint not null default 0,
    whole_to bigint not null default 0,
    next_whole_to bigint not null default 0,
    next_xid xid8 not null default '0',
    at timestamptz not null default now(),
    constraint message_words_marks_pkey primary key (business_id)
);

-- The words of somebody's names, and every end of their phone, so that any part of it is the beginning of a word.
create function called_words(business_id int, one text, two text, three text, phone text) returns tsvector
language sql immutable parallel safe as $$
select strip(to_tsvector('simple'::regconfig, 'ǁ' || business_id || ' '
    || regexp_replace(translate(regexp_replace(regexp_replace(
            coalesce(one, '') || ' ' || coalesce(two, '') || ' ' || coalesce(three, ''),
            '[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u0652]', '', 'g'),
            '[\u0080-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u05be\u05c0\u05c3\u05f3\u05f4\u060c\u061b\u061f\u2000-\u2bff\u3000-\u303f\ufe00-\ufe0f\ufeff\U0001f000-\U0001faff]',
            ' ', 'g'), 'ךםןףץ', 'כמנפצ'), '[./@_+<&~-]', ' ', 'g')
    || case when phone is null then '' else
        ' ǂ' || substr(phone, 2) || ' ǂ' || substr(phone, 3) || ' ǂ' || substr(phone, 4) || ' ǂ' || substr(phone, 5) ||
        ' ǂ' || substr(phone, 6) || ' ǂ' || substr(phone, 7) || ' ǂ' || substr(phone, 8) || ' ǂ' || substr(phone, 9) ||
        ' ǂ' || substr(phone, 10) || ' ǂ' || substr(phone, 11) || ' ǂ' || substr(phone, 12) || ' ǂ' || substr(phone, 13) ||
        ' ǂ' || substr(phone, 14) end))
$$;
create index contacts_words on contacts using gin (called_words(business_id, name, profile_name, username, phone));
create index leads_words on leads using gin (called_words(business_id, name, null, null, null));

-- Customers who were forgotten because they asked for it, without anything of theirs. ``needles`` is what they are
-- known by, kept only until everything that holds it was gone through; ``plan`` where that has come to.
create table erasures (
    business_id int not null default only_business(),
    id bigint generated by default as identity,
    asked_at timestamptz not null default now(),
    who varchar(100) not null,
    account_id int,
    needles jsonb,
    plan jsonb,
    counts jsonb not null default '{}',
    done_at timestamptz,
    constraint erasures_pkey primary key (business_id, id),
    constraint erasures_nothing_kept check (done_at is null or needles is null and plan is null)
);
-- Messages that must not come back, told again by a provider within its time: the hash of what each is known by.
create table forgotten_messages (
    business_id int not null default only_business(),
    key_sha256 bytea not null,
    forgotten_at timestamptz not null default now(),
    constraint forgotten_messages_pkey primary key (business_id, key_sha256)
);
create index forgotten_messages_at on forgotten_messages (forgotten_at);
