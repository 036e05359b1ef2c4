"""Kept documents -> which train and how often, and which are held out."""
