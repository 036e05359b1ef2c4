"""The room corpus/: see its modules."""
