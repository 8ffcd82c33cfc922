"""Agents that are Python code of a team's own, run in processes and an environment of their own."""
