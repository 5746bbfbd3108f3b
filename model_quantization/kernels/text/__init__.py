"""Arithmetic on documents: tokens, vocabularies, counts and weights of terms."""
