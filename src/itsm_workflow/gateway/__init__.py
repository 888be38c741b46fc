"""What lies between the library and a ticket system: the port, and the client of BK-ITSM under it."""
