"""The agent: its model, its tools and what it is told."""
