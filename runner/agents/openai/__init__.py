"""Agents that are a prompt and tools around a model behind an OpenAI-compatible endpoint."""
