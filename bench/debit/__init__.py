"""Tokens taken by begin_request: through the API's pool, and through pgbench with the same function."""
