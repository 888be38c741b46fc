"""What ties the library to one host or platform."""
