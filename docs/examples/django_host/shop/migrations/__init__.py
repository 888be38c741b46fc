"""The migrations of the project's own table."""
