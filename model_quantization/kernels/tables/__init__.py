"""Arithmetic on columns of tables: categories to codes, frames to rows."""
