"""Sentences -> vectors of meaning, in eleven languages."""
