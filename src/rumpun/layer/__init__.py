"""The room layer/: see its modules."""
