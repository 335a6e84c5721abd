"""Benchmarks, one command each: `python -m bench.chat` and `python -m bench.debit`. See README.md."""
