"""Starts the ingestion worker: `python docker_entrypoint.py --pipeline local --mode continuous`."""

import sys

from rag_pipeline.main import main

if __name__ == "__main__":
    sys.exit(main())
