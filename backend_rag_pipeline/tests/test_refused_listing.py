"""A listing that the database refuses, for whatever reason."""

from rag_support.world import World

REFUSE = """
do $$
begin
    create function public.refuse() returns trigger language plpgsql as $body$
    begin
        raise exception 'no' using errcode = '22000';
    end;
    $body$;
    create trigger refuse before insert on public.document_metadata for each row execute function public.refuse();
end;
$$
"""


async def test_a_listing_that_cannot_be_stored_is_shown_on_its_pipeline_until_it_can(world: World) -> None:
    await world.fetch(REFUSE)
    world.write("fruit.md", "Oranges ripen in winter.")
    world.start_worker()

    async def shown() -> bool:
        return await world.value("select error_code from public.rag_pipeline_state") == "source_error"

    await world.until(shown, "the pipeline says that something is wrong")
    await world.fetch("drop trigger refuse on public.document_metadata")
    await world.until_status("fruit.md", "indexed")
    assert await world.value("select error_code from public.rag_pipeline_state") is None
