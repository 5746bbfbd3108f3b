"""Reports of a run: table, summary, history, JUnit and the report page.

Nothing here decides: it shows outcomes as they are.
"""
