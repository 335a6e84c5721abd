"""What it takes to deploy: the upgrade of a database, images, compose files, the proxy in front."""
