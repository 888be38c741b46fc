"""BK-ITSM 2 behind the gateway port."""
