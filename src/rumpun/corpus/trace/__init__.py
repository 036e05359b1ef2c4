"""A written corpus -> an index of it, and every document that holds a span of text."""
