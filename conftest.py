"""Plugins of every test in the repository."""

pytest_plugins = ["local_stack.postgres.pytest_plugin"]
