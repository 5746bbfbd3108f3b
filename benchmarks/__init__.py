"""Measurements of size, speed, memory and proof; each module runs by itself."""
