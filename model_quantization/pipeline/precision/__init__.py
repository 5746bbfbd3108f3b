"""`bit_depth: auto`: which plans the gate will judge, fixed before it sees a row.

::

    ladders of the graph -> each step measured alone -> hulls -> one sweep -> nested plans
      -> measured as wholes -> at most a dozen artifacts, from the safest to the smallest

Rows that measure are never the gate's. Where there are too few to spare, rows are made from the
model itself (`probes.made_rows`). Artifacts that are only measured are written without compression,
read once by a child process, and removed.
"""
