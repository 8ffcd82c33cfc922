"""Calling a model behind an OpenAI-compatible endpoint: limits, retries, and errors that a person can act on."""
