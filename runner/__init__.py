"""Produces evidence: agents replayed over golden conversations, and scores of what they did."""
