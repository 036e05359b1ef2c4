"""What the examples' tests share: the example's own folder and the serving tests' helpers on the path."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT / "examples" / "workers"), str(ROOT / "tests" / "serve")]
