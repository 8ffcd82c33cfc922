"""Calling models and agents over HTTP, with limits, retries and patience."""
