"""The room serve/: see its modules."""
