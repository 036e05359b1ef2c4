"""A parent layer and a data folder -> a recipe for its child: an offspring of one language, or of one domain.

Reading order: `holdings` (what the data folder has), `parent` (the layer that a child is grown from, and its step), `choose` (what
trains, what is held out, what is rehearsed, how long), `held_test` (a small test out of what is held out), `write` (the recipe, the
card's notes, the checklist). `domains.toml` names the domains.
"""
