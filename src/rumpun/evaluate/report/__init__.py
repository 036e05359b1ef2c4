"""Runs as pages: one file each, that loads nothing and runs no script.

`report_html` shows a run, `leaderboard_html` many runs, `flips` the items that two runs answered differently (as text for a
terminal, or as a page). Whatever comes from a model, an item or a log is shown as text, never as markup.

Reading order: `text` (any text made fit to show), `numbers`, `intervals`, `plots` (where marks stand), `view` (the questions that
pages ask of scores), `gains` and `sections` (what the report's parts show), `shown` (a few items of each task), `page`,
`report`, `leaderboard`, `flips`.
"""

from rumpun.evaluate.report.leaderboard import leaderboard_html
from rumpun.evaluate.report.report import REPORT, report_html

__all__ = ["REPORT", "leaderboard_html", "report_html"]
