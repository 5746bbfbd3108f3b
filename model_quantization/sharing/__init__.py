"""Artifacts for model hubs, with the evidence as a model card.

A hub's own package is imported only to push. Releases are published by `release`, and nothing here
decides whether an artifact may be published.
"""
