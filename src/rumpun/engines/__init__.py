"""What answers as a model: the port, four engines behind it, and the catalogue of what can be loaded.

Reading order: `port` (requests, chunks, scores, the `Engine` protocol), `characters` (streams that never cut a
character), `llamacpp`, `hf`, `http`, `fake`, then `catalogue` (names -> files), `embedded` (the base out of its
wheel) and `load` (a name, path or URL -> an engine).
"""
