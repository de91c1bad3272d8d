-- What every case begins with.
TRUNCATE public.authors, public.articles, public.tags, public.article_tags, archive.notes RESTART IDENTITY;
INSERT INTO public.authors VALUES
    (1, 'Ada', '1980-04-01', 9007199254740993, 1.50, 4.5, 'calm',
     '{"web": "ada.example", "langs": ["en", "yo"], "plan": {"seats": 3}}', '{first,poet}', '2026-01-01T08:00:00Z'),
    (2, 'Bayo', '1991-12-31', 0, 20, NULL, NULL, NULL, NULL, NULL),
    (3, 'Chi', NULL, 12, NULL, 3, 'cross', '{}', '{}', '2026-01-03T08:00:00.25Z');
INSERT INTO public.articles VALUES
    (1, 'On rivers', 1, 'NEWS', true, 1200, 10.50, '2026-02-01T00:00:00Z'),
    (2, 'On rain', 1, 'ESSAY', false, 300, NULL, NULL),
    (3, 'Markets', 2, 'NEWS', true, 800, 0.25, '2026-03-01T00:00:00Z'),
    (4, 'Drafts', 2, 'NEWS', false, NULL, 5, NULL),
    (5, 'Found 100%', NULL, 'ESSAY', true, 50, 99.99, '2026-01-15T00:00:00Z');
INSERT INTO public.tags VALUES (1, 'water'), (2, 'trade'), (3, 'unused');
INSERT INTO public.article_tags VALUES (1, 1), (1, 2), (3, 2);
INSERT INTO archive.notes VALUES ('00000000-0000-7000-8000-000000000001', NULL, '{1,2}');
