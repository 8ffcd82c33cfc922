"""Golden conversations in the formats of others. Every export says what its format could not hold."""
