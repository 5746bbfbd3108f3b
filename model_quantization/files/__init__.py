"""Files that outlive a crash: atomic writes, signatures, object stores and leases.

Nothing here knows models or releases (`release`).
"""
