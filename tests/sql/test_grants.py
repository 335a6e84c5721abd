"""What each role may do, walked out of the catalog and compared with a written list.

A new table, function or column is closed until it stands here.
"""

from __future__ import annotations

from local_stack.postgres.testing import Database

ROLES = ("anon", "authenticated", "service_role")
EVERYTHING = "delete, insert, references, select, trigger, truncate, update"

EXECUTE = {
    "private.is_admin()": {"authenticated", "service_role"},
    "public.is_admin()": {"authenticated", "service_role"},
    "public.acknowledge_payment_flag(text,uuid,text)": {"service_role"},
    "public.acquire_job_lease(text,uuid,integer)": {"service_role"},
    "public.activate_embedding_space(integer)": {"service_role"},
    "public.apply_stripe_event(text,text,boolean,text,timestamp with time zone,jsonb,text,jsonb,boolean)": {
        "service_role"
    },
    "public.audit_ledger()": {"service_role"},
    "public.begin_purchase(uuid,uuid,text,integer,integer,text,boolean,integer,integer)": {"service_role"},
    "public.begin_request(uuid,uuid,text,text,text,text,text,text,uuid,integer,integer,integer)": {"service_role"},
    "public.close_purchase(uuid,text,text)": {"service_role"},
    "public.current_balance(uuid)": {"service_role"},
    "public.deduct_token_if_sufficient(uuid)": {"service_role"},
    "public.delete_conversation(uuid,text)": {"service_role"},
    "public.document_queue(text)": {"service_role"},
    "public.drop_inactive_chunks(integer)": {"service_role"},
    "public.drop_unused_embedding_spaces()": {"service_role"},
    "public.enqueue_document(text,integer)": {"service_role"},
    "public.ensure_embedding_space(text,integer)": {"service_role"},
    "public.flag_unknown_payment(uuid,text,boolean)": {"service_role"},
    "public.flush_run_events(uuid,uuid[],jsonb)": {"service_role"},
    "public.grant_tokens(uuid,integer,text,text,timestamp with time zone,jsonb)": {"service_role"},
    "public.grant_tokens_for_purchase(uuid,integer,text,text)": {"service_role"},
    "public.list_lost_requests(integer)": {"service_role"},
    "public.match_documents(extensions.vector,integer,jsonb)": {"service_role"},
    "public.purge_run_events(integer)": {"service_role"},
    "public.record_payment(uuid,uuid,text,text,bigint,text,boolean,timestamp with time zone,bigint,text,"
    "timestamp with time zone)": {"service_role"},
    "public.record_payment_failure(uuid,text,timestamp with time zone)": {"service_role"},
    "public.renew_leases(uuid,uuid[],integer)": {"service_role"},
    "public.request_stop(uuid,text)": {"service_role"},
    "public.schema_version()": {"service_role"},
    "public.search_documents(uuid,text,extensions.vector,integer,integer,text[],text[],text[],text,"
    "timestamp with time zone,timestamp with time zone,text)": {"service_role"},
    "public.settle_lost_request(uuid,uuid)": {"service_role"},
    "public.settle_purchase(uuid)": {"service_role"},
    "public.settle_request(uuid,uuid,uuid,text,text,jsonb,text,text,integer,integer,boolean,numeric)": {"service_role"},
    "public.update_profile_name(uuid,text)": {"service_role"},
}

# anon holds nothing at all.
TABLES = {
    "app_settings": {"service_role": EVERYTHING},
    "conversations": {"authenticated": "select", "service_role": EVERYTHING},
    "document_metadata": {"authenticated": "select", "service_role": EVERYTHING},
    "document_rows": {"authenticated": "select", "service_role": EVERYTHING},
    "documents": {"authenticated": "select", "service_role": EVERYTHING},
    "embedding_space": {"service_role": EVERYTHING},
    "job_leases": {"service_role": EVERYTHING},
    "messages": {"authenticated": "select", "service_role": EVERYTHING},
    "payment_flags": {"service_role": EVERYTHING},
    "purchases": {"authenticated": "select", "service_role": EVERYTHING},
    "rag_pipeline_state": {"service_role": EVERYTHING},
    "reconciliation_runs": {"service_role": EVERYTHING},
    "requests": {"authenticated": "select", "service_role": EVERYTHING},
    "run_events": {"service_role": EVERYTHING},
    "stripe_customers": {"service_role": EVERYTHING},
    "stripe_events": {"service_role": EVERYTHING},
    "token_grants": {"authenticated": "select", "service_role": "select"},
    "transactions": {"authenticated": "select", "service_role": "select"},
    "uploads": {"service_role": EVERYTHING},
    "user_memories": {"authenticated": "select", "service_role": EVERYTHING},
    "user_profiles": {"authenticated": "select", "service_role": "delete, select"},
}

# Beyond what the role holds on the whole table.
COLUMNS = {
    ("authenticated", "user_profiles", "full_name"): "update",
    ("service_role", "user_profiles", "email"): "insert, update",
    ("service_role", "user_profiles", "full_name"): "insert, update",
    ("service_role", "user_profiles", "id"): "insert",
    ("service_role", "user_profiles", "is_admin"): "insert, update",
    ("service_role", "user_profiles", "updated_at"): "update",
}

OURS = """
    p.pronamespace in ('public'::regnamespace, 'private'::regnamespace)
    and not exists (
        select from pg_depend as e where e.classid = 'pg_proc'::regclass and e.objid = p.oid and e.deptype = 'e'
    )
"""


async def test_every_table_has_row_level_security(database: Database) -> None:
    async with database.connect() as connection:
        bare = await connection.fetch(
            "select oid::regclass::text from pg_class where relkind in ('r', 'p') and not relrowsecurity"
            " and relnamespace in ('public'::regnamespace, 'private'::regnamespace)"
        )
    assert [row[0] for row in bare] == []


async def test_there_is_no_view_that_would_go_around_row_level_security(database: Database) -> None:
    async with database.connect() as connection:
        assert await connection.fetchval("select count(*) from pg_views where schemaname in ('public', 'private')") == 0


async def test_functions_are_executable_by_exactly_the_listed_roles(database: Database) -> None:
    async with database.superuser() as connection:
        await connection.execute("set search_path = pg_catalog")
        rows = await connection.fetch(
            "select p.oid::regprocedure::text as function, array_agg(r.role) filter"
            " (where has_function_privilege(r.role, p.oid, 'execute')) as roles"
            f" from pg_proc as p cross join unnest($1::text[]) as r (role) where {OURS} group by p.oid",
            list(ROLES),
        )
    assert {row["function"]: set(row["roles"]) for row in rows if row["roles"]} == EXECUTE


async def test_tables_are_open_to_exactly_the_listed_roles(database: Database) -> None:
    async with database.superuser() as connection:
        rows = await connection.fetch(
            "select t.tablename, r.role, string_agg(p.privilege, ', ' order by p.privilege) as privileges"
            " from pg_tables as t cross join unnest($1::text[]) as r (role)"
            " cross join unnest($2::text[]) as p (privilege)"
            " where t.schemaname = 'public' and has_table_privilege(r.role, 'public.' || t.tablename, p.privilege)"
            " group by t.tablename, r.role",
            list(ROLES),
            EVERYTHING.split(", "),
        )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["tablename"], {})[row["role"]] = row["privileges"]
    assert found == TABLES


async def test_columns_are_open_to_exactly_the_listed_roles(database: Database) -> None:
    async with database.superuser() as connection:
        rows = await connection.fetch(
            "select r.role, c.relname, a.attname, string_agg(p.privilege, ', ' order by p.privilege) as privileges"
            " from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
            " cross join unnest($1::text[]) as r (role)"
            " cross join unnest(array['insert', 'select', 'update']) as p (privilege)"
            " where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'"
            " and has_column_privilege(r.role, c.oid, a.attnum, p.privilege)"
            " and not has_table_privilege(r.role, c.oid, p.privilege) group by 1, 2, 3",
            list(ROLES),
        )
    assert {(row["role"], row["relname"], row["attname"]): row["privileges"] for row in rows} == COLUMNS


async def test_no_browser_key_reaches_a_sequence_or_makes_objects(database: Database) -> None:
    async with database.superuser() as connection:
        open_to = await connection.fetch(
            "select c.oid::regclass::text, r.role"
            " from pg_class as c cross join unnest(array['anon', 'authenticated']) as r (role)"
            " where c.relkind = 'S' and c.relnamespace = 'public'::regnamespace"
            " and has_sequence_privilege(r.role, c.oid, 'usage, select, update')"
        )
        assert open_to == []
        may_create = await connection.fetch(
            "select n.nspname, r.role from pg_namespace as n cross join unnest($1::text[]) as r (role)"
            " where n.nspname in ('public', 'private', 'extensions') and has_schema_privilege(r.role, n.oid, 'create')",
            list(ROLES),
        )
        assert may_create == []


async def test_anon_does_not_enter_the_private_schema(database: Database) -> None:
    async with database.superuser() as connection:
        usage = await connection.fetch(
            "select r.role from unnest($1::text[]) as r (role) where has_schema_privilege(r.role, 'private', 'usage')",
            list(ROLES),
        )
    assert {row["role"] for row in usage} == {"authenticated", "service_role"}


# They compare vectors, whose operators live in the extension's schema.
RETRIEVAL = {"ensure_embedding_space", "match_documents", "nearest_chunks", "search_documents"}


async def test_every_function_pins_its_search_path(database: Database) -> None:
    async with database.connect() as connection:
        rows = await connection.fetch(f"select p.proname, p.proconfig from pg_proc as p where {OURS}")
    paths = {row["proname"]: row["proconfig"] for row in rows}
    assert {name for name, path in paths.items() if path != ['search_path=""']} == RETRIEVAL
    assert {tuple(paths[name]) for name in RETRIEVAL} == {("search_path=pg_catalog, public, extensions",)}


async def test_every_function_and_table_says_what_it_promises(database: Database) -> None:
    async with database.connect() as connection:
        silent = await connection.fetch(
            "select p.oid::regprocedure::text from pg_proc as p"
            f" where {OURS} and obj_description(p.oid, 'pg_proc') is null"
        )
    assert [row[0] for row in silent] == []


async def test_every_foreign_key_can_be_followed_backwards_by_an_index(database: Database) -> None:
    """Without one, deleting an account or a conversation reads whole tables."""
    async with database.connect() as connection:
        missing = await connection.fetch(
            "select c.conrelid::regclass::text, c.conname from pg_constraint as c where c.contype = 'f'"
            " and c.connamespace = 'public'::regnamespace and not exists ("
            " select from pg_index as i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]"
            # A partial index serves only where nothing but nulls is left out.
            " and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) ~ '^\\(\\w+ IS NOT NULL\\)$'))"
        )
    assert [tuple(row) for row in missing] == []


async def test_a_table_added_without_a_revoke_would_be_seen(database: Database) -> None:
    """The default privileges of the stack are Supabase's: what a script forgets to close is open here too."""
    async with database.connect() as connection:
        await connection.execute("create table public.forgotten (id integer)")
        assert await connection.fetchval("select has_table_privilege('anon', 'public.forgotten', 'delete')")
