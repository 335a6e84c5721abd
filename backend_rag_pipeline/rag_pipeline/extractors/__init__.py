"""Bytes to text: what a file says, page by page, and its tables as rows.

`extractor.open_extractor` is the way in, `model` what comes out. Nothing is imported here: the worker process loads
the readers, the service does not.
"""
