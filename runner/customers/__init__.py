"""Who speaks for the customer: the case's own words, or a simulator."""
