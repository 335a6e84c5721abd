"""A stateful stand-in for Google Drive v3 and Google's sign-in, for the official client library."""
