"""Tests of the families: the common checks, and what each family does beyond them."""
