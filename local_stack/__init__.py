"""Stand-ins for the neighbours of the product, each on a port: Postgres, authentication, a model server."""
