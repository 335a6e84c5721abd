"""Where documents come from; every source speaks the protocol of `source.py`."""
