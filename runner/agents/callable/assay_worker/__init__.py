"""The side of a callable agent that runs in the team's own interpreter.

It needs the standard library of Python 3.9 and nothing else: neither Assay nor anything that Assay needs is imported
here. `main` starts it. One worker answers turns of several conversations at once: async code in the event loop of the
main thread, everything else in threads.
"""
