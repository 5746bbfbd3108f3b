"""The `.qma` file; FORMAT.md describes it."""
