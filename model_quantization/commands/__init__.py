"""The command line: one file per command, and the options and exit codes that they share.

No decision lives here: a command reads its options, calls the library and prints the result.
Checks of machines and releases are in `maintenance`, runs over directories in `batch`.
"""
