"""Runs -> the logs of other evaluation tools, and back, without loss.

Comes in: a run's folder (`scores.json`, `samples.jsonl`), a log folder of lm-eval, a log of Inspect. Goes out: the other.
What a log says and a run has no field for is kept: of a sample under `more`, of the rest under `made`, by the tool's name.
Reading order: `lm_eval` and `inspect_log` (the four functions), `lm_eval_form` and `inspect_form` (what becomes what),
`kept` (how nothing is lost), `…_read`, `inspect_sample` and `…_write` (one log), `tally`, `run_folder`, `archive`, `json_text`
and `json_split` (files).
"""

from rumpun.evaluate.logs.inspect_log import export_inspect, import_inspect
from rumpun.evaluate.logs.lm_eval import export_lm_eval, import_lm_eval
from rumpun.evaluate.logs.run_folder import Imported

__all__ = ["Imported", "export_inspect", "export_lm_eval", "import_inspect", "import_lm_eval"]
