"""scripts/restore.sh on a server that ends statements of the role after a while, as Supabase's does."""

from __future__ import annotations

from pathlib import Path

from local_stack.postgres.testing import Database
from tests.deployment.test_backup import fill, run

LIMIT = "5s"
# Analysing evaluates what an index is made of: with the server's own limit in force it does not end within it.
SLOW_UNDER_THE_LIMIT = """
    create function public.take_long(p_text text) returns text language plpgsql immutable as $body$
    begin
        if pg_catalog.current_setting('statement_timeout') = '5s' then perform pg_catalog.pg_sleep(60); end if;
        return p_text;
    end $body$;
    create index on public.document_metadata (public.take_long(title));
"""


async def test_a_restore_takes_longer_than_the_server_lets_the_role_work(
    database: Database, empty_database: Database, tmp_path: Path
) -> None:
    await fill(database)
    async with database.connect() as connection:
        await connection.execute(SLOW_UNDER_THE_LIMIT)
    saved = await run("backup.sh", database, tmp_path / "backup.dump")
    assert saved.status == 0, saved.output
    empty_database.cluster.run_sql(f"alter database {empty_database.name} set statement_timeout = '{LIMIT}'")
    restored = await run("restore.sh", empty_database, tmp_path / "backup.dump")
    assert restored.status == 0, restored.output
    assert "2 people, and the books agree" in restored.output
