"""How well passages are found: real documents, questions with known passages, the product's worker and search."""
