"""The room edge/: see its modules."""
