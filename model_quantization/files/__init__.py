"""Files that outlive a crash: atomic writes, signatures, object stores and leases.

Nothing here knows of models or releases (`release`).
"""
