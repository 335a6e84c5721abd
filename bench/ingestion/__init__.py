"""How fast files become searchable chunks, against one file and one embedding call at a time."""
