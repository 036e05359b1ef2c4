"""The lineage on the model page: each artefact opened once, however many stand on it."""

from pathlib import Path

import httpx2
from served import running, saying, served

from rumpun.records.artefacts import Maker, Manifest, SourceEntry, write_manifest
from rumpun.serve.lineage_view import lineage_view
from rumpun.serve.settings import Settings


def artefact(
    store: Path, number: int, parents: tuple[int, ...] = (), licences: tuple[str, ...] = ("CC0-1.0",)
) -> Path:
    folder = store / f"{number:032x}"
    folder.mkdir()
    maker = Maker(step=f"made.{number}", version=1, params={}, rumpun="0")
    sources = (
        SourceEntry(name=f"sumber-{number}", licence=licences[0], url="https://example.org/<x>", rows=1234),
        SourceEntry(name=f"curang-{number}", licence="CC-BY-SA-4.0", url="javascript:alert(1)"),
    )
    write_manifest(folder, Manifest(
        kind="corpus", id=folder.name, name=f"karya-{number}", maker=maker, created="2026-01-02T00:00:00Z",
        parents=tuple(f"{parent:032x}" for parent in parents), licences=licences, sources=sources,
    ))  # fmt: skip
    return folder


def test_shared_ancestors_are_opened_once_and_missing_ones_named(tmp_path: Path) -> None:
    many = ("CC0-1.0", "CC-BY-4.0", "MIT", "Apache-2.0", "CC-BY-SA-4.0", "CC-BY-3.0")
    artefact(tmp_path, 1, licences=many)
    for number in range(2, 20):  # each stands twice on the one before: 2 ** 18 paths
        top = artefact(tmp_path, number, (number - 1, number - 1))
    top = artefact(tmp_path, 20, (19, 255))
    found = lineage_view(top)
    assert found is not None
    assert found["missing"] == [f"{255:032x}"[:12]]
    node, opened = found["tree"], []
    while node["parents"]:
        opened.append(node["name"])
        node = node["parents"][0]
    assert opened == [f"karya-{number}" for number in range(20, 1, -1)]
    assert node["how"].endswith("Apache-2.0, 2 more")
    assert {"attribution", "share-alike"} <= set(found["duties"])
    model = served(saying("x", name="m"), lineage=top)
    with running([model], settings=Settings(guard="off")) as run:
        page = httpx2.get(f"{run.url}/models/m").text
    assert page.count("opened above") == 18
    assert "sumber-20" in page
    assert "1,234" in page
    assert "https://example.org/&lt;x&gt;" in page
    assert "javascript:" not in page
    assert "Not at hand" in page


def test_a_folder_without_a_manifest_has_no_lineage(tmp_path: Path) -> None:
    assert lineage_view(tmp_path) is None
    assert lineage_view(None) is None
