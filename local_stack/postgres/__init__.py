"""Embedded PostgreSQL 16 with pgvector, shaped like a Supabase database. Standard library only."""

from local_stack.postgres.binaries import BinariesMissing, Installation, find_installation
from local_stack.postgres.cluster import Cluster, ClusterError, start_cluster
from local_stack.postgres.roles import Credentials

__all__ = [
    "BinariesMissing",
    "Cluster",
    "ClusterError",
    "Credentials",
    "Installation",
    "find_installation",
    "start_cluster",
]
