<<<<<<< HEAD
"""Calling a model behind an OpenAI-compatible endpoint: limits, retries, and errors that a person can act on."""
=======
"""Calling models and agents over HTTP, with limits, retries and patience."""
>>>>>>> main
