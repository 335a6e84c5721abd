"""From .env to a running site: the table of settings, what is generated from it, and what `deploy.py` does with Docker.

Only the standard library: an operator's machine needs Python and Docker, nothing else.
"""
