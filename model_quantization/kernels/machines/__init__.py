"""Arithmetic of kernel machines: similarities to known rows, their sums, and votes of pairs."""
