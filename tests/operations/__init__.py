"""Tests with a real server, worker and browser, all on loopback."""
