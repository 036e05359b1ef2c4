"""The room language/: see its modules."""
