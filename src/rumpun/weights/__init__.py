"""The room weights/: see its modules."""
