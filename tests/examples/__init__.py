"""The example applications."""
