"""Floor 3: objects, one verified wheel each: fetch, ingest, look, verify, collect."""
