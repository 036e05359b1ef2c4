"""Taking rows back: what was taken back, the corpus made again without it, and the proof that it is gone."""
