"""One Prefect task a file: its name, its retries, and one call into the library."""
