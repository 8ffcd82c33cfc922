"""The command line: composes the other rooms and computes nothing itself."""
