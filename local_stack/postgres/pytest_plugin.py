"""Fixtures for tests on real Postgres: one cluster a session, one template with the product's schema, a clone a test.

Loaded by the repository's conftest.py, so that every part of it uses the same cluster.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_stack.postgres.cluster import Cluster, remove_cluster, start_cluster
from local_stack.postgres.testing import Database
from local_stack.processes import free_ports

SQL_DIRECTORY = Path(__file__).resolve().parents[2] / "sql"
# Nothing in a test's cluster has to survive a power cut. Rows are counted when a test says so, and at no other moment.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
}
EMPTY_TEMPLATE = "template_empty"
PRODUCT_TEMPLATE = "template_product"


@pytest.fixture(scope="session")
def postgres_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster shaped like Supabase's, without the product's schema."""
    directory = tmp_path_factory.mktemp("postgres")
    (port,) = free_ports(1)
    with start_cluster(directory, port, SETTINGS) as cluster:
        yield cluster
    remove_cluster(directory)


@pytest.fixture(scope="session")
def empty_template(postgres_cluster: Cluster) -> str:
    """A bootstrapped database to clone: roles, schema auth, default privileges, and none of our tables."""
    postgres_cluster.create_database(EMPTY_TEMPLATE)
    return EMPTY_TEMPLATE


@pytest.fixture(scope="session")
def product_template(postgres_cluster: Cluster, empty_template: str) -> str:
    """A database to clone that holds the product's schema and no rows."""
    postgres_cluster.create_database(PRODUCT_TEMPLATE, template=empty_template)
    postgres_cluster.apply_sql_scripts(SQL_DIRECTORY, database=PRODUCT_TEMPLATE)
    return PRODUCT_TEMPLATE


_numbers = itertools.count(1)


@pytest.fixture
def clone_database(postgres_cluster: Cluster) -> Iterator[Callable[[str], Database]]:
    """Makes a database from a template; it is dropped after the test."""
    made: list[str] = []

    def clone(template: str) -> Database:
        name = f"test_{next(_numbers)}"
        postgres_cluster.create_database(name, template=template)
        made.append(name)
        return Database(postgres_cluster, name)

    yield clone
    for name in made:
        postgres_cluster.drop_database(name)


@pytest.fixture
def database(clone_database: Callable[[str], Database], product_template: str) -> Database:
    """A fresh database with the product's schema, for one test alone."""
    return clone_database(product_template)


@pytest.fixture
def empty_database(clone_database: Callable[[str], Database], empty_template: str) -> Database:
    """A fresh database without our tables, as Supabase hands it out."""
    return clone_database(empty_template)
