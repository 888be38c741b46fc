"""A host in Flask: collectors that need an approval."""
