"""The adapter that connects BK-ITSM 2 to the gateway port."""
