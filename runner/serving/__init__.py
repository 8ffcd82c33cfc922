"""One request at a time: an agent that keeps nothing between requests, for serving a bundle."""
