"""A tiny base, a small corpus and one thread for the layer's tests."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rumpun.records.artefacts import Maker, Manifest
from rumpun.steps import Input

TEXTS = {
    "id": [
        "Ibu menanam padi di sawah.",
        "Adik bermain layang-layang sampai sore.",
        "Kami minum teh bersama nenek.",
    ],
    "th": ["แม่ปลูกข้าวในนา", "น้องเล่นว่าวจนเย็น", "เราดื่มชากับยาย"],
    "my": ["အမေ စပါးစိုက်သည်။", "ညီလေး စွန်လွှတ်သည်။"],
    "km": ["ម្តាយដាំស្រូវ។", "យើងផឹកតែ។"],
    "ta": ["அம்மா நெல் பயிரிடுகிறார்.", "நாங்கள் தேநீர் குடிக்கிறோம்."],
    "en": ["Mother plants rice in the field.", "We drink tea with grandmother."],
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def base_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from rumpun.layer.tiny_base import write_tiny_base

    return write_tiny_base(tmp_path_factory.mktemp("base") / "base.gguf", 3)


@pytest.fixture(scope="session")
def base_folder(base_file: Path) -> Path:
    from rumpun.weights.folder import write_folder

    write_folder(base_file, base_file.parent / "folder")
    return base_file.parent / "folder"


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Input:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("corpus")
    for part in ("train", "heldout"):
        (folder / part).mkdir()
        for tag, texts in TEXTS.items():
            rows = [
                {"id": f"{part}-{tag}-{n}", "text": f"{text} {n}", "language": tag, "source": "s", "licence": "CC0-1.0",
                 "url": "", "domain": ""}
                for n, text in enumerate(texts * 4)
            ]  # fmt: skip
            pq.write_table(pa.Table.from_pylist(rows), folder / part / f"{tag}.parquet")
    lines = [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": f"Ya: {text[:12]}"}],
         "language": tag, "source": "s", "licence": "CC0-1.0"}
        for tag, texts in TEXTS.items() for text in texts
    ]  # fmt: skip
    (folder / "chat.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    maker = Maker(step="corpus.write", version=1, params={}, rumpun="0")
    manifest = Manifest(
        kind="corpus", id="c" * 32, maker=maker, licences=("CC0-1.0",), languages=tuple(TEXTS)
    )
    return Input("corpus", folder, manifest)
