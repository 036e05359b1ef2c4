"""Chat rows: conversations, task rows made by rule, and parallel text as requests to translate."""
