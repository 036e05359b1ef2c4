"""Decisions and mixture -> a corpus: train, held-out and removed documents, packed shards, figures and cards."""
