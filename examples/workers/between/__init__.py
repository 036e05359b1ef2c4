"""Between two people: a message goes in, and each of them is shown what is theirs to see.

In: a message of the worker or the employer, in their own language. Out: its translation for the other, the words of work
that differ between the two countries with both laws named, and the signs that it is time for a labour office or a lawyer.
The model is only ever reached through an OpenAI-compatible address; nothing of rumpun is imported.

Read in this order: `tables` (the TOML files beside this folder), `find` (words, times and numbers in a text), `address` (the
model), `translate`, `signs`, `talk` (one talk of two people), then the two fronts: `terminal` and `page`.
"""
