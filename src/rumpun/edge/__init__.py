"""Base + layer -> a GGUF of a size, measured on this machine.

Reading order: `export` (the step `edge.export`), `bench` (speed and memory of a GGUF, in a process of its own).
Public: `export.export`, `bench.measure`.
"""
