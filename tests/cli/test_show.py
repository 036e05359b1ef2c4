"""Progress where there is no terminal: few lines, each end told once."""

from rumpun.cli.show import progress_bars


def test_each_end_is_told_once(capsys) -> None:
    with progress_bars() as start:
        report = start("model")
        report(0, 100, "fetching 92.9 MB")
        for done in (50, 100, 100, 120):
            report(done, 100)
        report(10, 272, "layer 1")
        report(272, 272, "layer 30")
        report(1, 1, "done")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "model:   0 % fetching 92.9 MB",
        "model: 100 %",
        "model: 100 % layer 30",
        "model: 100 % done",
    ]
