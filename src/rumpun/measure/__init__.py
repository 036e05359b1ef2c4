"""The room measure/: see its modules."""
