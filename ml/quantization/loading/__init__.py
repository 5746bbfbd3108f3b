"""Model files to model graphs; only a child process unpickles."""
