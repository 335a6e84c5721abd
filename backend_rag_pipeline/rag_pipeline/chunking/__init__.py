"""A document's text to the passages that are embedded and found."""
