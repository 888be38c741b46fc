"""The internals of `Workflow`: they store changes, ask the gateway about them, and deliver effects."""
