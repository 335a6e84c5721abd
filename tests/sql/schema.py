"""Everything that makes up a schema, as text that two databases can be compared by."""

from __future__ import annotations

from pathlib import Path

from local_stack.postgres import psql
from local_stack.postgres.testing import Database

SQL_DIRECTORY = Path(__file__).resolve().parents[2] / "sql"
FRESH_INSTALL = SQL_DIRECTORY / "0-all-tables.sql"
FIRST_UPGRADE_SCRIPT = 10

# Objects of extensions are none of ours; an older database holds them in public.
_NOT_OF_EXTENSION = """
not exists (
    select 1 from pg_depend as e where e.classid = '{catalog}'::regclass and e.objid = {oid} and e.deptype = 'e'
)
"""
_PRIVILEGES = (
    "(select string_agg(format('%s=%s by %s', a.grantee::regrole, a.privilege_type, a.grantor::regrole), ', '"
    " order by a.grantee::regrole::text, a.privilege_type) from aclexplode({acl}) as a)"
)

_TABLES = f"""
select format('table %s', c.oid::regclass) as name,
    concat_ws('; ', c.relkind::text, c.relowner::regrole,
        'rls ' || c.relrowsecurity, 'forced ' || c.relforcerowsecurity,
        array_to_string(c.reloptions, ','), obj_description(c.oid, 'pg_class'),
        {_PRIVILEGES.format(acl="coalesce(c.relacl, acldefault('r', c.relowner))")}) as definition
from pg_class as c
where c.relnamespace in ('public'::regnamespace, to_regnamespace('private'), to_regnamespace('queue'))
    and c.relkind in ('r', 'v', 'm', 'p', 'f')
    and {_NOT_OF_EXTENSION.format(catalog="pg_class", oid="c.oid")}
"""
_SEQUENCES = f"""
select format('sequence %s', c.oid::regclass),
    concat_ws('; ', format_type(s.seqtypid, null), s.seqincrement, s.seqmax,
        {_PRIVILEGES.format(acl="coalesce(c.relacl, acldefault('s', c.relowner))")})
from pg_class as c join pg_sequence as s on s.seqrelid = c.oid
where c.relnamespace = 'public'::regnamespace
"""
_COLUMNS = f"""
select format('column %s.%I', c.oid::regclass, a.attname),
    concat_ws('; ', format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' end,
        'identity ' || nullif(a.attidentity::text, ''), 'generated ' || nullif(a.attgenerated::text, ''),
        pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum), {_PRIVILEGES.format(acl="a.attacl")})
from pg_class as c
join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relnamespace in ('public'::regnamespace, to_regnamespace('queue')) and c.relkind = 'r'
"""
_CONSTRAINTS = """
select format('constraint %s.%I', c.conrelid::regclass, c.conname),
    concat_ws('; ', pg_get_constraintdef(c.oid), case when not c.convalidated then 'not valid' end)
from pg_constraint as c
where c.connamespace = 'public'::regnamespace and c.contype <> 'n' and c.conrelid <> 0
"""
_INDEXES = """
select format('index %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
from pg_index as i join pg_class as c on c.oid = i.indrelid
where c.relnamespace = 'public'::regnamespace
"""
_POLICIES = """
select format('policy %I on %I', p.policyname, p.tablename),
    concat_ws('; ', p.cmd, p.permissive, p.roles::text, p.qual, 'check ' || p.with_check)
from pg_policies as p where p.schemaname in ('public', 'private')
"""
_FUNCTIONS = f"""
select format('function %s', p.oid::regprocedure),
    concat_ws('; ', pg_get_function_result(p.oid), pg_get_function_arguments(p.oid), p.proowner::regrole,
        p.provolatile::text, 'definer ' || p.prosecdef, array_to_string(p.proconfig, ','), p.prosrc,
        obj_description(p.oid, 'pg_proc'), {_PRIVILEGES.format(acl="coalesce(p.proacl, acldefault('f', p.proowner))")})
from pg_proc as p
where p.pronamespace in ('public'::regnamespace, to_regnamespace('private'), to_regnamespace('queue'))
    and {_NOT_OF_EXTENSION.format(catalog="pg_proc", oid="p.oid")}
"""
_TRIGGERS = """
select format('trigger %I on %s', t.tgname, t.tgrelid::regclass), pg_get_triggerdef(t.oid) || t.tgenabled::text
from pg_trigger as t join pg_class as c on c.oid = t.tgrelid
where not t.tgisinternal
    and c.relnamespace in ('public'::regnamespace, 'auth'::regnamespace, to_regnamespace('queue'))
"""
_PUBLICATIONS = """
select format('publication %I of %I.%I', p.pubname, p.schemaname, p.tablename),
    concat_ws('; ', p.attnames::text, p.rowfilter)
from pg_publication_tables as p
"""
_SCHEMAS = f"""
select format('schema %I', n.nspname), {_PRIVILEGES.format(acl="coalesce(n.nspacl, acldefault('n', n.nspowner))")}
from pg_namespace as n where n.nspname in ('public', 'private', 'queue', 'extensions')
"""
_PARTS = (
    *(_TABLES, _SEQUENCES, _COLUMNS, _CONSTRAINTS, _INDEXES, _POLICIES),
    *(_FUNCTIONS, _TRIGGERS, _PUBLICATIONS, _SCHEMAS),
)


async def read_schema(database: Database) -> dict[str, str]:
    """Name and definition of every object; the same in two databases exactly when their schemas are.

    The order of columns is left out: it differs where a column was added later. So is the schema of pgvector.
    """
    async with database.superuser() as connection:
        await connection.execute("set search_path = pg_catalog")
        rows = [row for part in _PARTS for row in await connection.fetch(part)]
    return {_without_vector_schema(name): _without_vector_schema(definition or "") for name, definition in rows}


def _without_vector_schema(text: str) -> str:
    for schema in ("public", "extensions"):
        text = text.replace(f"{schema}.vector", "vector").replace(f"{schema}.halfvec", "halfvec")
    return text


def differences(left: dict[str, str], right: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    return {
        name: (left.get(name), right.get(name))
        for name in sorted(left.keys() | right.keys())
        if left.get(name) != right.get(name)
    }


def apply(database: Database, *scripts: Path) -> None:
    """Apply scripts as the owner of a Supabase database does, who is no superuser."""
    for script in scripts:
        psql.run_script(database.cluster.psql, database.dsn(), script)


def upgrade_scripts() -> list[Path]:
    return [
        path for path in psql.numbered_scripts(SQL_DIRECTORY) if int(path.name.split("-")[0]) >= FIRST_UPGRADE_SCRIPT
    ]


def all_scripts() -> list[Path]:
    return psql.numbered_scripts(SQL_DIRECTORY)
