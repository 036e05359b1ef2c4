"""New subwords for a base: text and a base come in, a layer of tokens, merges and their first rows goes out.

Reading order: `texts` (what is read), `base` (the base's tokenizer, cuts and pieces), `merges` and `clusters` (what is
learnt), `learn` (both within one budget), `rows` (where new rows begin), `table` (what it costs before and after),
`extend` (the step).
"""
