"""Agents behind an HTTP service of a team's own."""
