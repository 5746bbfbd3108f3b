"""What `python -m ml` can do, a command a file."""
