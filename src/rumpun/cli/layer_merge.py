"""`rumpun layer merge | extract | sweep`: layers and models into one, a layer out of a model, the best of many merges."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from rumpun.layer.merging.params import MergeSettings
    from rumpun.steps import Progress

__all__ = ["extract", "merge", "sweep"]

FILE = click.Path(path_type=Path)
_METHODS = (
    "linear, task_arithmetic, ties, dare_linear, dare_ties, breadcrumbs, breadcrumbs_ties, slerp, stack"
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_OUT = click.option("--out", required=True, type=FILE, help="The folder to write.")


def _numbers(_: click.Context, option: click.Parameter, value: str) -> tuple[float, ...]:
    """Numbers between commas."""
    from rumpun.errors import UsageError

    try:
        return tuple(float(part) for part in value.split(",") if part.strip())
    except ValueError as error:
        raise UsageError(
            f"--{option.name} = '{value}'", "write numbers with commas between, such as 0.5,0.3"
        ) from error


@click.command()
@click.argument("paths", metavar="PARENT…", nargs=-1, required=True)
@click.option("--method", default="", help=f"{_METHODS}; needed for more than one parent.")
@click.option("--base", default="", help="The base: a GGUF, a folder of weights, or 'base'.")
@click.option(
    "--weights", default="", callback=_numbers, help="One a parent, in order, such as 0.5,0.3; else 1 each."
)
@click.option(
    "--density",
    default="",
    callback=_numbers,
    help="Share of each difference that is kept; one, or one a parent.",
)
@click.option(
    "--gamma", default=0.01, show_default=True, help="breadcrumbs: share of the largest that is dropped."
)
@click.option(
    "--normalize/--no-normalize",
    default=None,
    help="Divide by the weights' sum; by default as the method does.",
)
@click.option("--lambda", "lambda_", default=1.0, show_default=True, help="Multiplies the merged difference.")
@click.option("--t", default=0.5, show_default=True, help="slerp: 0 is the first model, 1 the second.")
@click.option(
    "--t-filter",
    "filters",
    multiple=True,
    metavar="PART=T",
    help="slerp: another t where a tensor's name has PART.",
)
@click.option(
    "--as", "as_", type=click.Choice(["layer", "model"]), help="What comes out; by default a layer of layers."
)
@click.option("--rank", default=0, help="Of a merged layer; by default the sum of the ranks.")
@click.option(
    "--precision",
    default="same",
    show_default=True,
    type=click.Choice(["same", "float32", "float16", "bfloat16"]),
)
@click.option("--seed", default=0, show_default=True, help="Of dare's draws.")
@_OUT
@_JSON
def merge(paths: tuple[str, ...], out: Path, *, as_json: bool, **asked: Any) -> None:
    """Merge one layer into its base (float32, without torch), or several layers or models into one.

    A PARENT is a layer's folder, a folder of transformers weights, a GGUF, or a base's name. Layers of one base become a
    layer; anything else, or --as model, a folder that transformers loads.
    """
    from rumpun.cli.show import progress_bars

    with progress_bars() as progress:
        told = _merged(paths, out, asked, progress("merging"))
    _show(told, as_json=as_json)


def _merged(paths: tuple[str, ...], out: Path, asked: dict[str, Any], progress: "Progress") -> dict[str, Any]:
    from rumpun.errors import UsageError
    from rumpun.layer.merging.command import is_layer, merge_to

    if not asked["method"]:
        if len(paths) > 1:
            raise UsageError(f"{len(paths)} parents and no --method", f"name one of {_METHODS}")
        if not is_layer(paths[0]):
            raise UsageError(
                f"{paths[0]}: no layer (no layer.json in it)",
                "name a layer's folder, or more parents and --method",
            )
        return _into_base(Path(paths[0]), asked["base"], out, progress)
    return merge_to(
        out, paths, _settings(asked), base=asked["base"], as_=asked["as_"] or "", rank=asked["rank"],
        precision=asked["precision"], seed=asked["seed"], progress=progress,
    )  # fmt: skip


def _into_base(layer: Path, base: str, out: Path, progress: "Progress") -> dict[str, Any]:
    from rumpun.edge.apply import base_named
    from rumpun.layer.merge import merge_folder
    from rumpun.layer.merging.place import whole_folder
    from rumpun.weights.folder import write_folder

    folder = Path(base).expanduser()
    with whole_folder(out) as making:
        if base and (folder / "config.json").is_file():
            merge_folder(folder, layer, making, progress)
        else:
            write_folder(base_named(layer, base, progress=progress), making, layer=layer, progress=progress)
    return {"path": str(out), "kind": "model", "clashes": []}


def _settings(asked: dict[str, Any]) -> "MergeSettings":
    from typing import get_args

    from rumpun.errors import UsageError, nearest
    from rumpun.layer.merging.params import METHODS, MergeSettings, Method

    if asked["method"] not in (*METHODS, "stack"):
        raise UsageError(
            f"--method = '{asked['method']}'", nearest(asked["method"], [*get_args(Method), "stack"])
        )
    density: tuple[float, ...] = asked["density"]
    filters: dict[str, float] = {}
    for given in asked["filters"]:
        part, _, value = given.rpartition("=")
        try:
            filters[part] = float(value)
        except ValueError as error:
            raise UsageError(f"--t-filter = '{given}'", "write PART=T, such as self_attn=0.3") from error
    return MergeSettings(
        method=cast("Method", asked["method"]), weight=asked["weights"],
        density=density if len(density) > 1 else (density or (1.0,))[0], gamma=asked["gamma"],
        normalize=asked["normalize"], lambda_=asked["lambda_"], t=asked["t"], t_filters=filters,
    )  # fmt: skip


@click.command()
@click.argument("model")
@click.option(
    "--base", default="base", show_default=True, help="What MODEL was tuned from: a GGUF, a folder, a name."
)
@click.option("--on", type=FILE, help="A layer on that base, where MODEL was tuned from both.")
@click.option("--rank", default=32, show_default=True, help="Of the layer's products.")
@click.option(
    "--targets", default="q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj", show_default=True
)
@click.option("--licence", default="Apache-2.0", show_default=True, help="Of the layer, SPDX.")
@_OUT
@_JSON
def extract(model: str, out: Path, *, as_json: bool, **asked: Any) -> None:
    """Take a fully tuned MODEL's difference from its base as a layer: the nearest one of a rank, with its error."""
    from rumpun.cli.show import progress_bars
    from rumpun.layer.merging.command import extract_to
    from rumpun.layer.merging.params import ExtractParams

    targets = tuple(part.strip() for part in asked.pop("targets").split(",") if part.strip())
    on = asked.pop("on")
    params = ExtractParams(model=model, targets=targets, **asked)
    with progress_bars() as progress:
        told = extract_to(out, params, on=on, progress=progress("extracting"))
    _show(told, as_json=as_json)


@click.command()
@click.argument("layers", metavar="PARENT…", nargs=-1, required=True)
@click.option(
    "--texts", required=True, type=FILE, help='Lines {"text", "language"}, or a corpus with held-out rows.'
)
@click.option("--methods", default="linear", show_default=True, help=f"With commas between: {_METHODS}.")
@click.option(
    "--weights",
    "weights",
    multiple=True,
    help="One a layer; repeat for more tries. By default each alone, and all.",
)
@click.option("--densities", default="1", show_default=True, callback=_numbers, help="With commas between.")
@click.option("--lambdas", default="1", show_default=True, callback=_numbers, help="With commas between.")
@click.option("--rank", default=0, help="Of the merged layer; by default the sum of the ranks.")
@click.option("--documents", default=32, show_default=True, help="At most, of each language.")
@click.option(
    "--report-share", default=0.5, show_default=True, help="Of the documents, kept from the choice."
)
@click.option(
    "--base",
    default="",
    help="The base, as the layers' own steps name it; of models: what differences are taken from.",
)
@click.option("--seed", default=0, show_default=True)
@_OUT
@_JSON
def sweep(layers: tuple[str, ...], texts: Path, out: Path, *, as_json: bool, **asked: Any) -> None:
    """Try many merges of layers or models, keep the one with the fewest bits per byte, and tell all that were tried."""
    from rumpun.cli.show import progress_bars
    from rumpun.errors import UsageError, nearest
    from rumpun.layer.merging.command import sweep_to
    from rumpun.layer.merging.params import METHODS, SweepParams

    methods = [part.strip() for part in asked["methods"].split(",") if part.strip()]
    for method in methods:
        if method not in (*METHODS, "stack"):
            raise UsageError(f"--methods = '{method}'", nearest(method, [*METHODS, "stack"]))
    option = next(p for p in sweep.params if p.name == "weights")
    params = SweepParams(
        methods=tuple(cast("Any", methods)),
        weights=tuple(_numbers(click.get_current_context(), option, given) for given in asked["weights"]),
        densities=asked["densities"], lambdas=asked["lambdas"], rank=asked["rank"], base=asked["base"],
        documents_max=asked["documents"], report_share=asked["report_share"],
    )  # fmt: skip
    with progress_bars() as progress:
        told = sweep_to(out, layers, params, texts, seed=asked["seed"], progress=progress("sweeping"))
    if as_json:
        _show(told, as_json=True)
        return
    for place, row in enumerate(told["tries"]):
        mark = "*" if place == told["chosen"] else " "
        weights = ",".join(f"{weight:g}" for weight in row["weight"])
        click.echo(
            f"{mark} {row['method']:16} weight {weights:12} density {row['density']:<5g} lambda {row['lambda']:<5g}"
            f" {row['bits_per_byte']:.4f} {_ends(row['interval'])} above the best: {_ends(row['above_best'])}"
        )
    if told["report"]:
        report = told["report"]
        click.echo(
            f"on {report['documents']} other texts: {report['bits_per_byte']:.4f} {_ends(report['interval'])}"
        )
    click.echo(f"note: {told['warning']}", err=True)
    click.echo(told["path"])


def _ends(ends: list[float] | None) -> str:
    return f"[{ends[0]:.4f}, {ends[1]:.4f}]" if ends else "-"


def _show(told: dict[str, Any], *, as_json: bool) -> None:
    from rumpun.cli.show import put_json

    if as_json:
        put_json(told)
        return
    for words in told.get("clashes", []):
        click.echo(f"note: {words}", err=True)
    for name, change in told.get("left_out", {}).items():
        click.echo(f"note: {name} changed by {change:.2%} and is not in the layer", err=True)
    error = told.get("error")
    if error and error["all"]:
        click.echo(f"note: {error['all']:.2%} of the change is lost at rank {told['rank']}; most in {error['module']} ({error['worst']:.2%})", err=True)  # fmt: skip
    click.echo(told["path"])
