"""The engine room behind `Workflow`: it stores changes, asks the gateway about them, and carries effects out."""
