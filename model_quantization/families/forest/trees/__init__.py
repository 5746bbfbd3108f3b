"""Trees of an estimator: read, pooled into one set of records, and built again."""
