"""A host in Django: collectors that need an approval."""
