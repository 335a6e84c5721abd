"""Examines an installation from outside and says what to do: `python -m agent_api.doctor`.

Every check reads only: it makes no row, spends no token and starts nothing. The one request that costs is a single
embedding of one word.
"""
