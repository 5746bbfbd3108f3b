"""Pickle and joblib files: scanned opcode by opcode, then unpickled in one place."""
