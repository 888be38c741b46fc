"""The gateway port, which any ticket system can implement, and the adapter for BK-ITSM 2."""
