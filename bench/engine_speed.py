"""Tokens per second: llama.cpp called directly against the engine port, one stream and four; scoring in both engines.

python bench/engine_speed.py [--model FILE.gguf] [--folder TRANSFORMERS_FOLDER] [--tokens 96] [--rounds 3] [--json]

Direct and port are measured in turn on the same file, threads and settings, and the best of the rounds is taken: other
programs can only slow a run down. Scoring reads the same texts with the same windows.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rumpun.engines.llamacpp import LlamaCpp
from rumpun.engines.port import Engine, Message, Request

QUESTION = "Tell me about the many uses of bamboo in the villages of Southeast Asia."
# written for this benchmark
TEXTS = (
    "Bambu dipakai untuk membangun rumah, jembatan, pagar, dan alat musik di banyak desa.",
    "ชาวบ้านใช้ไม้ไผ่สร้างบ้าน สะพาน รั้ว และเครื่องดนตรี",
    "ရွာသားများသည် ဝါးဖြင့် အိမ်၊ တံတား၊ ခြံစည်းရိုးနှင့် တူရိယာများ ပြုလုပ်ကြသည်။",
    "Người dân dùng tre để làm nhà, cầu, hàng rào và nhạc cụ ở nhiều làng quê.",
    "Bamboo is used to build houses, bridges, fences and musical instruments in many villages.",
)
STREAMS = 4


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a GGUF file; by default the embedded base")
    parser.add_argument(
        "--folder", type=Path, help="the same weights for transformers; by default made from the GGUF"
    )
    parser.add_argument("--tokens", type=int, default=96, help="generated in each stream")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = arguments.model or embedded()
    engine = LlamaCpp(model, name="measured", context_tokens=1024, slots=STREAMS)
    found: dict[str, float] = generating(engine, arguments.tokens, arguments.rounds)
    found["score llamacpp"] = scoring(engine, arguments.rounds)
    engine.close()
    with tempfile.TemporaryDirectory() as scratch:
        found["score hf"] = scoring_hf(model, arguments.folder, Path(scratch), arguments.rounds)
    report(found, as_json=arguments.json)


def embedded() -> Path:
    from rumpun.engines.embedded import base

    return base()


def generating(engine: LlamaCpp, tokens: int, rounds: int) -> dict[str, float]:
    """Tokens per second of all streams together, the prompt's time included."""
    request = Request(messages=(Message("user", QUESTION),), max_tokens=tokens, temperature=0.7, seed=1)
    body = engine._body(request) | {"timings_per_token": False, "return_progress": False}  # noqa: SLF001
    server = engine._server  # noqa: SLF001

    def direct() -> int:
        last: dict[str, Any] = {}
        server.handle_chat_completions(body, lambda event: last.update(event) or False)
        return int(last["usage"]["completion_tokens"])

    def port() -> int:
        *_, last = engine.stream(request)
        assert last.usage is not None
        return last.usage.completion_tokens

    best: dict[str, float] = {}
    direct()  # pages of the file are read once
    for _ in range(rounds):
        for streams in (1, STREAMS):
            for name, run in (("direct", direct), ("port", port)):
                key = f"{name}, {streams} stream{'s' * (streams > 1)}"
                best[key] = max(best.get(key, 0.0), together(run, streams))
    return best


def together(run: Callable[[], int], streams: int) -> float:
    """Tokens per second of so many runs at once."""
    with ThreadPoolExecutor(streams) as pool:
        start = time.perf_counter()
        made = sum(pool.map(lambda _: run(), range(streams)))
        return made / (time.perf_counter() - start)


def scoring(engine: Engine, rounds: int) -> float:
    """Tokens scored per second: fifteen short texts and a longer one."""
    pairs = [("", text) for text in TEXTS * 3] + [("", " ".join(TEXTS))]
    engine.score(pairs[:1])  # loads what it needs, and tests itself
    best = 0.0
    for _ in range(rounds):
        start = time.perf_counter()
        tokens = sum(score.tokens for score in engine.score(pairs))
        best = max(best, tokens / (time.perf_counter() - start))
    return best


def scoring_hf(model: Path, folder: Path | None, scratch: Path, rounds: int) -> float:
    """The same in transformers; 0 where torch is not installed."""
    try:
        import torch

        from rumpun.engines.hf import Transformers
    except ImportError:
        return 0.0
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    if folder is None:
        from rumpun.weights.folder import write_folder

        folder = scratch / "folder"
        write_folder(model, folder)
    engine = Transformers(folder, name="measured")
    try:
        return scoring(engine, rounds)
    finally:
        engine.close()


def report(found: dict[str, float], *, as_json: bool) -> None:
    shares = {
        f"port / direct, {streams}": found[f"port, {streams}"] / found[f"direct, {streams}"]
        for streams in ("1 stream", f"{STREAMS} streams")
    }
    if as_json:
        print(json.dumps({name: round(value, 3) for name, value in (found | shares).items()}))
        return
    print(f"{'':24} tokens/s")
    for name, value in found.items():
        print(f"{name:24} {value:8.1f}")
    for name, value in shares.items():
        print(f"{name:24} {value:8.2f}")


if __name__ == "__main__":
    main()
