"""The ingestion worker: reads a folder, a Google Drive or uploads and keeps their chunks searchable in Postgres."""
