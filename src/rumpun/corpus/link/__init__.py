"""Documents -> what can be known only from all of them at once: duplicates, frequent lines, repeated runs."""
