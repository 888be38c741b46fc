"""The documentation; a package only so that the programs in `docs.examples` have a name that tests can import."""
