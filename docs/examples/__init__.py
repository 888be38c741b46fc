"""Workflows that go on after an approval, worked out: each is explained on a page, and run by the tests."""
