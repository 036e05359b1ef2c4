"""The room evaluate/: see its modules."""
