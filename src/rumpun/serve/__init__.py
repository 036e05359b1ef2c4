"""The service: models behind OpenAI-compatible addresses, a guard in front, and a page to chat on.

What comes in: loaded engines (`ServedModel`), a guard or why there is none, a way to load the encoder, `Settings`. What
goes out: a Starlette app (`app.create_app`), or a whole server in the foreground (`run.serve`).

Reading order: `settings` (every limit with its default), `models`, `faults` (errors as OpenAI shapes them), `bodies`
(requests checked), `turns` (the fair queue), `relay` (from an engine's thread to the event loop), `watch` (the
guard, and what happens without it), `answers` (prompt check, generation, answer check; plain synchronous code), `chunks`
(JSON of answers and events), `generation` (the chat and completion addresses), `encoding` and `embeddings`, `moderations`,
`gateways` (LiteLLM, Portkey), `presidio`, `listing` (models, health), `doors` (keys, hosts, origins, headers), `page` and
`lineage_view` (HTML), `app`, `connection` and `run`.

The field `rumpun`, our one addition to OpenAI's bodies, stands on every chat completion and completion, and in a
stream on the first chunk (the prompt's part) and on the chunk with `finish_reason` and any after it (all of it)::

    "rumpun": {
      "guard": {
        "mode": "warn",                                   off, warn or block
        "action": "care",                                 allow, care, help or block: the severest of both; or null
        "message": "…",                                   what that action tells the person, or null
        "unchecked": null,                                why nothing was checked, where the service fails open
        "prompt": {"flagged": false, "score": 0.4, …},    a verdict (`Verdict.plain`), or null
        "answer": {…}                                     the same shape; null when nothing was checked
      },
      "language": {"prompt": "th", "answer": "th"},       BCP-47, "und" when unknown
      "layer": "first",                                   the layer's name, or null
      "tokens_per_second": 41.2                           of generation, or null
    }

A completion request with several prompts has a list of these, one a prompt, in order.
"""
