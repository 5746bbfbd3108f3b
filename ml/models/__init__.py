"""The documented loaders."""
