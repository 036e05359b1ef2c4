"""Folders: all of it under RUMPUN_HOME where that is set."""

import subprocess
import sys

import pytest

from rumpun.errors import InputError
from rumpun.records import places


def test_everything_lies_under_rumpun_home(home):
    folders = [places.data_folder(), places.cache_folder(), places.config_folder(), places.state_folder()]
    assert {folder.parent for folder in folders} == {home}
    assert len(set(folders)) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="XDG folders are Linux's")
def test_without_it_the_xdg_folders_hold(tmp_path):
    code = "from rumpun.records import places as p; print(p.data_folder(), p.cache_folder())"
    environment = {
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "d"),
        "XDG_CACHE_HOME": str(tmp_path / "c"),
    }
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert said.split() == [str(tmp_path / "d" / "rumpun"), str(tmp_path / "c" / "rumpun")]


def test_missing_source_text_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("RUMPUN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere") as caught:
        places.source_data()
    assert "RUMPUN_DATA" in caught.value.hint
    monkeypatch.setenv("RUMPUN_DATA", str(tmp_path))
    assert places.source_data() == tmp_path
