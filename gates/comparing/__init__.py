"""One run against another: what changed in behaviour, how surely, and in which cases. Pure, as the gates are."""
