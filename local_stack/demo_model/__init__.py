"""An offline, deterministic stand-in for an OpenAI-compatible model server."""
