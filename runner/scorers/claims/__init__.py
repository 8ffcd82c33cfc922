"""Claims in an agent's words, and whether the evidence bears them out; no language model involved."""
