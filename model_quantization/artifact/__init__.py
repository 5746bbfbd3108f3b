"""The `.qma` file: FORMAT.md, container, manifest, tables, reader and writer.

An artifact is readable without scikit-learn and pickle. Nothing here knows what an array means
(`families`) or how precise it should be (`planning`).
"""
