"""The room guard/: see its modules."""
