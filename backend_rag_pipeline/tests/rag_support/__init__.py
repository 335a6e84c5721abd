"""What the tests of the worker share: an embedding service on a port, workers as processes, and a world of both."""
