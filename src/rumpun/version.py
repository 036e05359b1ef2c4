"""The package's version, in a leaf of its own: every room may read it without touching the public names."""

__version__ = "0.1.0"
