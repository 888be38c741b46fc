"""A host in FastAPI: collectors that need an approval."""
