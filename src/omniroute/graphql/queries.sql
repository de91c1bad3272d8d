-- name: list_columns
-- Every column of the named tables and views, in order; with the type under a domain, the element type of an array, and
-- what can be written (bits: 4 update, 8 insert, 16 delete).
WITH RECURSIVE wanted AS (
    SELECT c.oid, n.nspname, c.relname
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
       AND (n.nspname::text, c.relname::text) IN (SELECT * FROM unnest(%(schemas)s::text[], %(names)s::text[]))
), under AS (
    SELECT t.oid AS asked, t.oid, t.typbasetype, t.typtype FROM pg_catalog.pg_type t
    UNION ALL
    SELECT u.asked, t.oid, t.typbasetype, t.typtype
      FROM under u JOIN pg_catalog.pg_type t ON t.oid = u.typbasetype
     WHERE u.typtype = 'd'
)
SELECT w.nspname::text AS schema, w.relname::text AS name, a.attname::text AS column,
       NOT (a.attnotnull OR d.typnotnull) AS nullable,
       e.oid IS NOT NULL AS is_array,
       coalesce(en.nspname, tn.nspname)::text AS type_schema, coalesce(e.typname, t.typname)::text AS type_name,
       coalesce(e.typtype, t.typtype)::text AS type_kind,
       a.attgenerated = '' AND a.attidentity <> 'a'
           AND pg_catalog.pg_column_is_updatable(w.oid::regclass, a.attnum, true) AS is_written,
       pg_catalog.pg_relation_is_updatable(w.oid::regclass, true) AS writes,
       col_description(w.oid, a.attnum) AS comment, obj_description(w.oid, 'pg_class') AS table_comment
  FROM wanted w
  JOIN pg_catalog.pg_attribute a ON a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_catalog.pg_type d ON d.oid = a.atttypid
  JOIN under u ON u.asked = a.atttypid AND u.typtype <> 'd'
  JOIN pg_catalog.pg_type t ON t.oid = u.oid
  JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
  LEFT JOIN pg_catalog.pg_namespace en ON en.oid = e.typnamespace
 ORDER BY w.nspname, w.relname, a.attnum

-- name: list_keys
-- Primary and foreign keys and unique constraints of the named tables, their columns in the order of the key.
SELECT n.nspname::text AS schema, c.relname::text AS name, k.conname::text AS key, k.contype::text AS kind,
       rn.nspname::text AS remote_schema, r.relname::text AS remote_name,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u (num, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num
              ORDER BY u.place) AS columns,
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u (num, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num
              ORDER BY u.place) AS remote_columns
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_class r ON r.oid = k.confrelid
  LEFT JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
 WHERE k.contype IN ('p', 'f', 'u')
   AND (n.nspname::text, c.relname::text) IN (SELECT * FROM unnest(%(schemas)s::text[], %(names)s::text[]))
 ORDER BY k.conname

-- name: list_functions
-- The named functions: what they take and return, whether they may change data.
SELECT n.nspname::text AS schema, p.proname::text AS name, p.provolatile::text AS volatility,
       p.proretset AS returns_set, p.pronargs::int AS argument_count, p.pronargdefaults::int AS default_count,
       coalesce(p.proargnames, '{}')::text[] AS argument_names,
       rn.nspname::text AS return_schema, rt.typname::text AS return_name, rt.typtype::text AS return_kind,
       re.typname::text AS return_element, ren.nspname::text AS return_element_schema, re.typtype::text AS return_element_kind,
       ARRAY(SELECT t.typname::text FROM unnest(p.proargtypes) WITH ORDINALITY u (num, place)
               JOIN pg_catalog.pg_type t ON t.oid = u.num ORDER BY u.place) AS type_names,
       ARRAY(SELECT tn.nspname::text FROM unnest(p.proargtypes) WITH ORDINALITY u (num, place)
               JOIN pg_catalog.pg_type t ON t.oid = u.num
               JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace ORDER BY u.place) AS type_schemas,
       ARRAY(SELECT t.typtype::text FROM unnest(p.proargtypes) WITH ORDINALITY u (num, place)
               JOIN pg_catalog.pg_type t ON t.oid = u.num ORDER BY u.place) AS type_kinds,
       ARRAY(SELECT coalesce(e.typname, '')::text FROM unnest(p.proargtypes) WITH ORDINALITY u (num, place)
               JOIN pg_catalog.pg_type t ON t.oid = u.num
               LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
              ORDER BY u.place) AS element_names
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_type rt ON rt.oid = p.prorettype
  JOIN pg_catalog.pg_namespace rn ON rn.oid = rt.typnamespace
  LEFT JOIN pg_catalog.pg_type re ON re.oid = rt.typelem AND rt.typcategory = 'A'
  LEFT JOIN pg_catalog.pg_namespace ren ON ren.oid = re.typnamespace
 WHERE p.prokind = 'f'
   AND (n.nspname::text, p.proname::text) IN (SELECT * FROM unnest(%(schemas)s::text[], %(names)s::text[]))
 ORDER BY n.nspname, p.proname, p.oid
