"""Trials of a backend with errors: of its calls on files, of its connection, and of the power."""
