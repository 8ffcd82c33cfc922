"""Knowledge documents and the search over them."""
