"""Makes of deploy.py's figures a table in Markdown, which it prints, and a picture: accuracy against bytes and latency.

"Ours" says how many times as fast this project's runtime is.

.venv/bin/python -m scripts.benchmarks.deploy_report deploy.json --plot=deploy.png
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from enas.errors import UserError
from scripts.arguments import Parser, run_script
from scripts.plots import log_ticks

Row = dict[str, Any]
FLOAT = ("TensorFlow", "onnxruntime float", "LiteRT float", "OpenVINO float")
INT8 = ("onnxruntime int8", "LiteRT int8", "OpenVINO int8")
OURS = "packed"
HEADER = """| network | runtime | file | load | batch 1 | ours | images/s, batch 32 | ours | peak memory | test accuracy |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    """Prints the table and draws the picture."""
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", type=Path, help="file that deploy.py --json wrote")
    parser.add_argument("--plot", type=Path, help="PNG of accuracy against bytes and against latency")
    given = parser.parse_args()
    rows = read(given.figures)
    print(HEADER + "".join(_lines(rows)), end="")
    for line in summary(rows):
        print(line)
    if given.plot:
        draw(rows, given.plot)


def read(path: Path) -> list[Row]:
    """Reads the figures.

    Raises:
      UserError: the file can't be read, or is of another program.
    """
    try:
        rows: list[Row] = json.loads(path.read_text(encoding="utf-8"))
        if not rows or not all({"run", "scheme", "numbers", "runtime", "latency_ms"} <= set(row) for row in rows):
            raise ValueError
    except (OSError, ValueError, TypeError):
        raise UserError(f"{path}: expected the figures that scripts/benchmarks/deploy.py --json wrote") from None
    return rows


def network(row: Row) -> str:
    """Names the network of a row."""
    return f"{row['scheme']}, {row['numbers'] / 1e6:.2f} M"


def by_network(rows: list[Row]) -> dict[str, dict[str, Row]]:
    """Groups the rows: {run directory: {runtime: row}}."""
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row["run"], {})[row["runtime"]] = row
    return found


def _lines(rows: list[Row]) -> Iterator[str]:
    for of_runtime in by_network(rows).values():
        ours = of_runtime.get(OURS)
        for name, row in of_runtime.items():
            faster = ["", ""]
            if ours and name != OURS:
                faster = [
                    f"{row['latency_ms'] / ours['latency_ms']:.2f} times",
                    f"{ours['images_per_second'] / row['images_per_second']:.2f} times",
                ]
            cells = (
                network(row),
                name,
                f"{row['bytes'] / 1000:,.0f} kB",
                f"{row['load_ms']:,.0f} ms",
                f"{row['latency_ms']:.3f} ms",
                faster[0],
                f"{row['images_per_second']:,.0f}",
                faster[1],
                f"{row['peak_mb']:,.0f} MB",
                f"{row['accuracy']:.2%}",
            )
            yield f"| {' | '.join(cells)} |\n"


def summary(rows: list[Row]) -> Iterator[str]:
    """Says of each network how much faster this project's runtime is than the fastest float and the fastest int8 one."""
    for of_runtime in by_network(rows).values():
        if OURS not in of_runtime:
            continue
        ours = of_runtime[OURS]
        for kind, names in (("float", FLOAT), ("int8", INT8)):
            others = [of_runtime[name] for name in names if name in of_runtime]
            if not others:
                continue
            one = min(others, key=lambda row: row["latency_ms"])
            many = max(others, key=lambda row: row["images_per_second"])
            yield (
                f"{network(ours)}, the fastest {kind} runtimes: "
                f"batch 1 {one['latency_ms'] / ours['latency_ms']:.2f} times as fast as {one['runtime']}, "
                f"batch 32 {ours['images_per_second'] / many['images_per_second']:.2f} times as fast as {many['runtime']}"
            )


def draw(rows: list[Row], path: Path) -> None:
    """Draws test accuracy against the file's bytes and against the latency of one image: a colour a runtime;
    networks stand beside the point of this project's runtime."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    names = list(dict.fromkeys(row["runtime"] for row in rows))
    for axes, key, scale, label in zip(
        figure.subplots(1, 2, sharey=True),
        ("bytes", "latency_ms"),
        (1e-3, 1.0),
        ("file, kB", "latency of one image, ms, one thread"),
        strict=True,
    ):
        for number, of_runtime in enumerate(by_network(rows).values()):
            for name, row in of_runtime.items():
                axes.scatter(
                    row[key] * scale,
                    100 * row["accuracy"],
                    s=70 if name == OURS else 30,
                    color=f"C{names.index(name)}",
                    marker="*" if name == OURS else "o",
                    zorder=2,
                )
            first = of_runtime.get(OURS) or next(iter(of_runtime.values()))
            place = (first[key] * scale, 100 * first["accuracy"])
            # Beside the star and a little lower in turn: networks of one size lie close together.
            beside = {"xytext": (-8, -3 - 9 * (number % 2 == 0)), "textcoords": "offset points", "ha": "right"}
            axes.annotate(network(first), place, fontsize=7, **beside)
        axes.margins(x=0.3, y=0.1)
        axes.set_xscale("log")
        log_ticks(axes.xaxis)
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("test accuracy, %")
    for place, name in enumerate(names):
        figure.axes[1].scatter([], [], color=f"C{place}", marker="*" if name == OURS else "o", label=name)
    figure.legend(*figure.axes[1].get_legend_handles_labels(), loc="outside upper center", ncols=len(names), fontsize=7)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    run_script(main)
