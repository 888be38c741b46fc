"""The app of the project: collectors that need an approval."""
