"""What a run does not need any more goes back to the system."""

import subprocess
import sys

import pytest

# blocks below the size that the C library takes from the system one by one; some that live on lie between them
HOLES = """
from pathlib import Path
from rumpun.layer.memory import give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

blocks = [bytearray(b"x") * 100_000 for _ in range(3_000)]
del blocks[:2_990]  # the last ones live on, at the end of the heap
before = resident()
give_back()
print(before, resident(), sum(block[0] for block in blocks))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of another system")
def test_holes_in_the_heap_go_back_to_the_system() -> None:
    told = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True).stdout
    before, after, alive = map(int, told.split())
    assert before - after > 200_000_000
    assert alive
