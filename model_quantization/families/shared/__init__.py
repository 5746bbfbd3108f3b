"""Pieces that several families use. A module here defines no `FAMILY`."""
