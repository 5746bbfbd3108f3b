"""Quantizes fitted models, proves that nothing was lost, and publishes them."""
