"""A person's documents: what is indexed, what they uploaded, and the passages that answers cite."""
