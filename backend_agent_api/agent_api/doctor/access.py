"""What a browser's key (`anon`, `authenticated`) may do, read out of the catalog."""

import asyncpg

from agent_api.doctor.findings import Findings, fail, listed, ok

ROW_SECURITY_SCRIPTS = "apply sql/12-stripe-tokens-rls.sql and every numbered script after it again"
OPEN_FUNCTIONS = ["is_admin"]
OPEN_COLUMNS = ["user_profiles.full_name"]
"""A person may change their name, and write nothing else."""


async def examine_row_security(connection: asyncpg.Connection) -> Findings:
    """Row level security on every table that the data API shows."""
    bare = await connection.fetch(
        """
        select c.relname as name from pg_catalog.pg_class as c
        where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and not c.relrowsecurity
            and not exists (
                select from pg_catalog.pg_depend as e
                where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'
            )
        order by 1
        """
    )
    if bare:
        names = [row["name"] for row in bare]
        cure = f"alter table public.{names[0]} enable row level security; for each; or {ROW_SECURITY_SCRIPTS}"
        return [fail("row security", f"off on {listed(names)}", cure)]
    return [ok("row security", "on for every table in public")]


async def examine_grants(connection: asyncpg.Connection) -> Findings:
    """No function and no table is open to a browser's key beyond what the product means to be."""
    functions = await _open_functions(connection)
    writable = await _writable(connection)
    findings: Findings = []
    if functions:
        cure = f"revoke all on function public.{functions[0]} from public, anon, authenticated; and so for each"
        findings.append(fail("grants", f"a browser's key may execute {listed(functions)}", cure))
    if writable:
        name = writable[0].partition(".")[0]
        cure = f"revoke all on public.{name} from public, anon, authenticated; then {ROW_SECURITY_SCRIPTS}"
        findings.append(fail("grants", f"a browser's key may write {listed(writable)}", cure))
    return findings or [ok("grants", "a browser's key executes no token function and writes its own name only")]


async def _open_functions(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        """
        select p.oid::regprocedure::text as signature from pg_catalog.pg_proc as p
        where p.pronamespace = 'public'::regnamespace and p.prorettype <> 'trigger'::regtype
            and p.proname <> all ($1::text[])
            and not exists (
                select from pg_catalog.pg_depend as e
                where e.classid = 'pg_catalog.pg_proc'::regclass and e.objid = p.oid and e.deptype = 'e'
            )
            and exists (
                select from pg_catalog.pg_roles as r
                where r.rolname in ('anon', 'authenticated') and has_function_privilege(r.oid, p.oid, 'execute')
            )
        order by 1
        """,
        OPEN_FUNCTIONS,
    )
    return [row["signature"].removeprefix("public.") for row in rows]


async def _writable(connection: asyncpg.Connection) -> list[str]:
    """Tables, and columns of tables that are closed as a whole."""
    rows = await connection.fetch(
        """
        with t as (
            select c.oid, c.relname, r.oid as role,
                has_table_privilege(r.oid, c.oid, 'insert, update, delete, truncate') as whole
            from pg_catalog.pg_class as c
            cross join pg_catalog.pg_roles as r
            where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
                and r.rolname in ('anon', 'authenticated')
                and not exists (
                    select from pg_catalog.pg_depend as e
                    where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'
                )
        )
        select t.relname as name from t where t.whole
        union
        select t.relname || '.' || a.attname from t
        join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
        where not t.whole and t.relname || '.' || a.attname <> all ($1::text[])
            and has_column_privilege(t.role, t.oid, a.attnum, 'insert, update')
        order by 1
        """,
        OPEN_COLUMNS,
    )
    return [row["name"] for row in rows]
