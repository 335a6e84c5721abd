-- Retrieval: how passages are found. Vector operators live in the extension's schema (extensions, or public in older
-- databases), so functions that use them, and only these, name schemas in their search_path.

create or replace function private.search_filter(
    p_user_id uuid, p_document_ids text[], p_sources text[], p_mime_types text[], p_scope text,
    p_modified_from timestamptz, p_modified_to timestamptz
) returns text
language plpgsql stable
set search_path = ''
as $$
declare
    v_filter text := case p_scope
        when 'all' then format('(d.owner_id is null or d.owner_id = %L::uuid)', p_user_id)
        when 'own' then format('d.owner_id = %L::uuid', p_user_id)
        when 'shared' then 'd.owner_id is null'
    end;
    v_document text := concat_ws(
        ' and ',
        case when p_sources is not null then format('m.source = any(%L::text[])', p_sources) end,
        case when p_mime_types is not null then format('m.mime_type = any(%L::text[])', p_mime_types) end,
        case when p_modified_from is not null then format('coalesce(m.source_modified_at, m.created_at) >= %L::timestamptz', p_modified_from) end,
        case when p_modified_to is not null then format('coalesce(m.source_modified_at, m.created_at) <= %L::timestamptz', p_modified_to) end
    );
begin
    if v_filter is null then
        raise exception 'scope % is none of all, own, shared', p_scope using errcode = 'AP422';
    end if;
    if p_document_ids is not null then
        v_filter := v_filter || format(' and d.document_id = any(%L::text[])', p_document_ids);
    end if;
    if v_document <> '' then
        v_filter := v_filter || ' and exists (select 1 from public.document_metadata as m where m.id = d.document_id and ' || v_document || ')';
    end if;
    return v_filter;
end;
$$;
comment on function private.search_filter(uuid, text[], text[], text[], text, timestamptz, timestamptz) is
'What a search may see, as a condition on public.documents as d. As text with literals: each search is planned for its own filter, '
'and only conditions that are asked for stand in it. A null list asks for nothing, an empty one for no document.';
revoke all on function private.search_filter(uuid, text[], text[], text[], text, timestamptz, timestamptz) from public, anon, authenticated;

create or replace function private.is_first_space(p_space_id integer) returns boolean
language sql stable
set search_path = ''
as $$
    select p_space_id is not distinct from (select min(s.id) from public.embedding_space as s);
$$;
comment on function private.is_first_space(integer) is
'Whether chunks without a space, which an older database left, belong to this one. Null, while there is no space, owns them too.';
revoke all on function private.is_first_space(integer) from public, anon, authenticated;

create or replace function private.finds_few(p_condition text) returns boolean
language plpgsql stable
set search_path = ''
as $$
declare
    v_few boolean;
begin
    execute format('select count(*) <= 4000 from (select 1 from public.documents as d where %s limit 4001) as c', p_condition) into v_few;
    return v_few;
end;
$$;
comment on function private.finds_few(text) is
'Whether so few chunks meet a condition that reading them all is faster, and misses nothing, compared with an index of everybody''s chunks.';
revoke all on function private.finds_few(text) from public, anon, authenticated;

create or replace function private.weigh_words(p_query text) returns table (word tsquery, chunks double precision, weight double precision)
language sql stable
set search_path = ''
as $$
    with asked as (
        select distinct l.lexeme from unnest(to_tsvector('english', left(p_query, 2000))) as l
    ), total as (
        select greatest(c.reltuples::double precision, 1) as chunks from pg_catalog.pg_class as c where c.oid = 'public.documents'::regclass
    ), known as (
        select k.lexeme, k.frequency
        from pg_catalog.pg_stats as s
        cross join lateral unnest(
            s.most_common_elems::text::text[], s.most_common_elem_freqs[:cardinality(s.most_common_elems::text::text[])]
        ) as k (lexeme, frequency)
        where s.schemaname = 'public' and s.tablename = 'documents' and s.attname = 'content_search'
    ), counted as (
        select a.lexeme, coalesce(k.frequency, (select min(o.frequency) / 2 from known as o), 0) * t.chunks as chunks, t.chunks as total
        from asked as a
        cross join total as t
        left join known as k on k.lexeme = a.lexeme
    )
    -- In a tsquery a lexeme stands in quotes, with quotes and backslashes doubled.
    select ('''' || replace(replace(c.lexeme, '\', '\\'), '''', '''''') || '''')::tsquery, c.chunks,
        ln(1 + (greatest(c.total - c.chunks, 0) + 0.5) / (c.chunks + 0.5))
    from counted as c
    order by c.chunks, c.lexeme
    limit 24;
$$;
comment on function private.weigh_words(text) is
'The words of a question without stop words, the rarest first: in about how many chunks each stands, by the statistics of the last '
'analyze, and what it weighs (the inverse document frequency of BM25).';
revoke all on function private.weigh_words(text) from public, anon, authenticated;

create or replace function private.exact_query(p_query text) returns tsquery
language sql stable
set search_path = ''
as $$
    select coalesce(
        plainto_tsquery('english', left(p_query, 2000)) && (
            select string_agg('(' || phraseto_tsquery('english', q.phrase[1])::text || ')', ' & ')::tsquery
            from regexp_matches(left(p_query, 2000), '"([^"]+)"', 'g') as q (phrase)
            where numnode(phraseto_tsquery('english', q.phrase[1])) > 0
        ),
        plainto_tsquery('english', left(p_query, 2000))
    );
$$;
comment on function private.exact_query(text) is
'All words of a question, and what stands in double quotes as a phrase. No operators: people ask for "compose up -d".';
revoke all on function private.exact_query(text) from public, anon, authenticated;

create or replace function private.matching_chunks(p_query text, p_condition text, p_few boolean, p_limit integer) returns bigint[]
language plpgsql stable
set search_path = ''
as $$
declare
    -- Ranking reads every match: 5 to 10 us each.
    v_rows_max constant integer := 6000;
    v_words tsquery[];
    v_weights double precision[];
    v_match tsquery;
    v_ids bigint[];
begin
    select array_agg(w.word order by w.chunks, w.word::text), array_agg(w.weight order by w.chunks, w.word::text),
        -- Any of the rare words; a word that stands in very many chunks only counts in the ranking.
        string_agg(w.word::text, ' | ') filter (where p_few or w.so_far <= v_rows_max)::tsquery
    into v_words, v_weights, v_match
    from (select *, sum(chunks) over (order by chunks, word::text) as so_far from private.weigh_words(p_query)) as w;
    if v_words is null then
        return '{}';
    end if;
    -- Only common words: the two rarest together.
    v_match := coalesce(v_match, v_words[1] && coalesce(v_words[2], v_words[1]));
    execute format(
        'with candidates as materialized ('
        -- Read once: a long tsvector is stored out of line and compressed.
        ' select d.id, d.content_search || '''' as words from public.documents as d where d.content_search @@ $1 and %s limit %s'
        ') select array_agg(r.id order by r.score desc, r.id) from ('
        ' select c.id, case when c.words @@ $4 then (select sum(a.weight) / 2 from unnest($3) as a (weight)) else 0 end'
        ' + (select sum(w.weight * ts_rank(''{0.1, 0.2, 0.5, 1}'', c.words, w.word)) from unnest($2, $3) as w (word, weight)) as score'
        ' from candidates as c order by score desc, c.id limit %s) as r',
        p_condition, v_rows_max, p_limit
    ) into v_ids using v_match, v_words, v_weights, private.exact_query(p_query);
    return coalesce(v_ids, '{}');
end;
$$;
comment on function private.matching_chunks(text, text, boolean, integer) is
'Chunks that hold words of a question, best first. A question as people ask it need not stand in a chunk whole: each word counts by how '
'rare it is and how often it stands there, headings half, and all of them together (quoted ones side by side) count half as much again.';
revoke all on function private.matching_chunks(text, text, boolean, integer) from public, anon, authenticated;

-- The type is named by whichever schema holds the extension.
do $$
declare
    v_vector constant text := (
        select format('%I.vector', n.nspname)
        from pg_catalog.pg_extension as e
        join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
        where e.extname = 'vector'
    );
begin
    execute replace($function$
create or replace function private.nearest_chunks(
    p_embedding {vector}, p_space_id integer, p_condition text, p_few boolean, p_limit integer
) returns bigint[]
language plpgsql
set search_path = pg_catalog, public, extensions
as $body$
declare
    v_dimensions constant integer := vector_dims(p_embedding);
    v_type constant text := case when v_dimensions > 2000 then 'halfvec' else 'vector' end;
    v_expected constant integer := (select s.dimensions from public.embedding_space as s where s.id = p_space_id);
    v_select text;
    v_reading text;
    v_ids bigint[];
begin
    if p_space_id is not null and v_expected is distinct from v_dimensions then
        raise exception 'the query vector has % dimensions, embedding space % has %', v_dimensions, p_space_id, v_expected
            using errcode = 'AP422';
    end if;
    -- A filtered scan of HNSW returns too few rows unless it goes on. Not "create function ... set": refused to a non-superuser.
    perform set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', least(greatest(100, 2 * p_limit), 1000)::text, true),
        set_config('hnsw.max_scan_tuples', '50000', true), set_config('hnsw.scan_mem_multiplier', '4', true);
    -- With the index; where it gives up before it has found enough, all that may be seen is compared.
    foreach v_reading in array case when p_few then array['materialized'] else array['not materialized', 'materialized'] end loop
        -- The space and its dimension stand as literals, so that the planner can use the space's partial index.
        v_select := format(
            'with seen as %1$s (select d.id, d.embedding from public.documents as d where d.embedding_space_id = %2$L::integer and %3$s)'
            ' select s.id, s.embedding::%4$s(%5$s) <=> $1::%4$s(%5$s) as distance from seen as s'
            ' order by s.embedding::%4$s(%5$s) <=> $1::%4$s(%5$s) limit %6$s',
            -- More than are asked for: where most of what is near belongs to others, the first that may be seen are not the nearest.
            v_reading, p_space_id, p_condition, v_type, v_dimensions, 2 * p_limit
        );
        if private.is_first_space(p_space_id) then
            -- Chunks of an older database have no index; it had none either.
            v_select := format(
                '(%s) union all (select d.id, d.embedding <=> $1 as distance from public.documents as d'
                ' where d.embedding_space_id is null and vector_dims(d.embedding) = %s and %s order by distance limit %s)',
                v_select, v_dimensions, p_condition, p_limit
            );
        end if;
        -- The scan's order is relaxed: sorted again.
        execute format('select (array_agg(n.id order by n.distance, n.id))[:%s] from (%s) as n', p_limit, v_select)
        into v_ids using p_embedding;
        exit when cardinality(v_ids) >= p_limit;
    end loop;
    return coalesce(v_ids, '{}');
end;
$body$
$function$, '{vector}', v_vector);
    execute format('revoke all on function private.nearest_chunks(%s, integer, text, boolean, integer) from public, anon, authenticated', v_vector);
    execute format('comment on function private.nearest_chunks(%s, integer, text, boolean, integer) is %L', v_vector,
        'Chunks of one space that are nearest to a vector, best first; exactly where p_few says that few are seen. AP422: another dimension.');
end;
$$;

do $$
declare
    v_vector constant text := (
        select format('%I.vector', n.nspname)
        from pg_catalog.pg_extension as e
        join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
        where e.extname = 'vector'
    );
    v_signature text;
begin
    perform private.drop_functions('search_documents');
    execute replace($function$
create function public.search_documents(
    p_user_id uuid, p_query text, p_embedding {vector}, p_space_id integer, p_limit integer default 8,
    p_document_ids text[] default null, p_sources text[] default null, p_mime_types text[] default null,
    p_scope text default 'all', p_modified_from timestamptz default null, p_modified_to timestamptz default null,
    p_mode text default 'hybrid'
) returns table (
    chunk_id bigint, document_id text, title text, url text, content text, page integer, char_start integer, char_end integer,
    score double precision, chunk_index integer, heading_path text, source text, mime_type text, modified_at timestamptz
)
language plpgsql
-- Definer: the helpers in schema private are closed to whoever calls it.
security definer
set search_path = pg_catalog, public, extensions
as $body$
declare
    v_limit constant integer := least(greatest(coalesce(p_limit, 8), 1), 100);
    v_candidates constant integer := greatest(50, 2 * v_limit);
    -- The constant of reciprocal rank fusion (Cormack, Clarke, Buettcher 2009).
    v_rank_constant constant integer := 60;
    v_space_id constant integer := coalesce(p_space_id, (select s.id from public.embedding_space as s where s.is_active));
    v_filter constant text := private.search_filter(p_user_id, p_document_ids, p_sources, p_mime_types, p_scope, p_modified_from, p_modified_to);
    v_seen constant text := format(
        '(%s) and %s', concat_ws(
            ' or ', 'd.embedding_space_id = ' || v_space_id,
            case when private.is_first_space(v_space_id) then 'd.embedding_space_id is null' end
        ), v_filter
    );
    v_few constant boolean := private.finds_few(v_seen);
    v_by_vector bigint[];
    v_by_text bigint[];
begin
    if p_mode is null or p_mode not in ('hybrid', 'vector', 'text') or (p_mode = 'vector' and p_embedding is null) then
        raise exception 'mode % is none of hybrid, text, and vector with a vector', p_mode using errcode = 'AP422';
    end if;
    if p_mode <> 'text' and p_embedding is not null then
        v_by_vector := private.nearest_chunks(p_embedding, v_space_id, v_filter, v_few, v_candidates);
    end if;
    if p_mode <> 'vector' then
        v_by_text := private.matching_chunks(coalesce(p_query, ''), v_seen, v_few, v_candidates);
    end if;
    return query
    select d.id, d.document_id, m.title, m.url, d.content, d.page, d.char_start, d.char_end, f.score, d.chunk_index,
        d.heading_path, m.source, m.mime_type, coalesce(m.source_modified_at, m.created_at)
    from (
        select c.id, sum(1.0 / (v_rank_constant + c.place))::double precision as score
        from (
            select v.id, v.place from unnest(v_by_vector) with ordinality as v (id, place)
            union all
            select t.id, t.place from unnest(v_by_text) with ordinality as t (id, place)
        ) as c
        group by c.id
        order by score desc, c.id
        limit v_limit
    ) as f
    join public.documents as d on d.id = f.id
    left join public.document_metadata as m on m.id = d.document_id
    order by f.score desc, d.id;
end;
$body$
$function$, '{vector}', v_vector);
    v_signature := format(
        'public.search_documents(uuid, text, %s, integer, integer, text[], text[], text[], text, timestamptz, timestamptz, text)', v_vector
    );
    execute format('revoke all on function %s from public, anon, authenticated', v_signature);
    execute format('grant execute on function %s to service_role', v_signature);
    execute format('comment on function %s is %L', v_signature,
        'Passages that one person may read, of one embedding space (null: the active one), nearest by vector and best by words fused by '
        'reciprocal rank. A null vector searches by words alone. Filters: null asks for nothing. p_scope: all, own, shared; p_mode: hybrid, '
        'vector, text. AP422: arguments that make no sense, a vector of another dimension among them.');

    perform private.drop_functions('match_documents');
    execute replace($function$
create function public.match_documents(
    query_embedding {vector}, match_count integer default 10, filter jsonb default '{}'
) returns table (id bigint, content text, metadata jsonb, similarity double precision)
language plpgsql
-- Definer: the helpers in schema private are closed to whoever calls it.
security definer
set search_path = pg_catalog, public, extensions
as $body$
declare
    v_filter constant text := format('d.owner_id is null and d.metadata @> %L::jsonb', filter);
    -- Callers of earlier versions know no space: the active one if it fits, else another that does.
    v_space_id constant integer := (
        select s.id from public.embedding_space as s
        where s.dimensions = vector_dims(query_embedding) order by s.is_active desc, s.id limit 1
    );
    v_found constant bigint[] := private.nearest_chunks(
        query_embedding, v_space_id, v_filter, private.finds_few(v_filter), least(greatest(coalesce(match_count, 10), 0), 200)
    );
begin
    return query
    select d.id, d.content, d.metadata, 1 - (d.embedding <=> query_embedding) as similarity
    from unnest(v_found) with ordinality as f (id, place)
    join public.documents as d on d.id = f.id
    order by f.place;
end;
$body$
$function$, '{vector}', v_vector);
    v_signature := format('public.match_documents(%s, integer, jsonb)', v_vector);
    execute format('revoke all on function %s from public, anon, authenticated', v_signature);
    execute format('grant execute on function %s to service_role', v_signature);
    execute format('comment on function %s is %L', v_signature, 'Shared chunks nearest to a vector; kept for callers of earlier versions.');
end;
$$;
