"""Google Drive as a source: the official client library, run in threads."""
