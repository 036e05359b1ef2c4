"""Base + layer -> a GGUF of a size and of the tokens that a device needs, measured on this machine.

Reading order: `export` (the step `edge.export`), `keep` (which tokens stay), `characters` (tokens that cut through
one), `tokens` (what a language costs, and the proof that cuts stay), `trim` (the step `edge.trim`), `bench` (speed and
memory of a GGUF, in a process of its own), `apply` (what the commands call).
Public: `export.export`, `trim.trim_file`, `bench.measure`.
"""
