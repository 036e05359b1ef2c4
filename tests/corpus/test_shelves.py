"""Files that grow a language at a time: the same bytes however many threads write, and nothing fails in silence."""

import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rumpun.corpus.write import rows
from rumpun.corpus.write.rows import Shelf, Writers, corpus_schema


def table(tag, first, count=40):
    columns = {
        name: [f"{tag} {name} {n}" * 3 for n in range(first, first + count)]
        for name in corpus_schema().names[:8]
    }
    return pa.table(
        columns | {"key": list(range(first, first + count)), "times": [1] * count}, schema=corpus_schema()
    )


def shelve(folder, threads):
    folder.mkdir()
    with Writers(threads) as writers:
        shelf = Shelf(folder / "train", writers)
        for n in range(0, 400, 40):
            for tag in ("id", "th", "my"):
                shelf.put(tag, table(tag, n))
        shelf.close()
    return {path.name: path.read_bytes() for path in (folder / "train").iterdir()}


def test_rows_stand_in_their_order_and_threads_change_no_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "_GROUP_BYTES", 20_000)  # several groups a file
    one = shelve(tmp_path / "one", 1)
    assert one == shelve(tmp_path / "four", 4)
    for tag in ("id", "th", "my"):
        path = tmp_path / "one" / "train" / f"{tag}.parquet"
        assert pq.ParquetFile(path).num_row_groups > 1
        assert pq.read_table(path)["key"].to_pylist() == list(range(400))


def test_what_a_writer_raised_is_raised():
    def fail():
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"), Writers(2) as writers:
        writers.put(fail)


def test_few_pieces_wait_however_many_there_are():
    going = threading.Event()
    with Writers(1) as writers:
        first = writers.put(going.wait)
        writers.put(going.wait)
        late = threading.Thread(target=writers.put, args=(going.wait,))
        late.start()
        late.join(timeout=0.2)
        assert late.is_alive()  # the third waits for the first
        going.set()
        late.join(timeout=10)
        assert first.done()
        assert not late.is_alive()
