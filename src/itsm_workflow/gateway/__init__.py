"""The gateway port, which any ticket system can implement, and BK-ITSM 2 behind it."""
