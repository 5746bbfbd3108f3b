"""The requests to the child process and its replies: one file per kind of request."""
