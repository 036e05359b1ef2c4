"""Attributes and links -> decisions: which documents stay, by which rule, value and threshold the others go, and what is cut out."""
