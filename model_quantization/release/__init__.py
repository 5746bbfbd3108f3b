"""A directory of published artifacts whose manifest is replaced by one rename.

Tables, history and the report page are written by `report`.
"""
