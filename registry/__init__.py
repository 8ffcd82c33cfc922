"""What exists and what was decided: the domain, its storage, and the release record."""
