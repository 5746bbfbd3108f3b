"""The command line: one file per command.

No decision lives here: a command reads its options, calls the library and prints the result.
"""
