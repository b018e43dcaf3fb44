"""The figures of the benchmark in words."""

from typing import Any

import numpy as np

FEWEST_STEPS = 20  # a median of fewer says little on a machine that does other things too


def note(steps: int) -> str:
    """{"note": words} where a figure is the median of fewer steps than it should be, else {}."""
    return {"note": f"fewer than {FEWEST_STEPS} steps"} if steps < FEWEST_STEPS else {}


def summary(name: str, times: Any) -> dict[str, Any]:
    """Figures of steps, (wall s, CPU s) each: `{name}_s` is the median, `{name}_min_s` and `{name}_cpu_s` beside it."""
    wall, cpu = np.array(times).T
    return {
        f"{name}_s": float(np.median(wall)),
        f"{name}_min_s": float(wall.min()),
        f"{name}_cpu_s": float(np.median(cpu)),
    }


def plain_table(figures: dict[str, Any]) -> str:
    """The figures that are numbers, one a line, behind the note, if there is one."""
    lines = [figures["note"]] if "note" in figures else []
    return "\n".join(lines + [f"{name:<32} {value:>12,.3f}" for name, value in figures.items() if _is_number(value)])


def _is_number(value):
    return isinstance(value, int | float)


def table(figures: dict[str, Any]) -> str:
    """All figures, one a line; the load at the end says how far to trust them."""
    lines = [figures["machine"], *([figures["note"]] if "note" in figures else []), ""]
    for name, value in figures.items():
        if isinstance(value, dict) and name == "scheme_step_vs_fp32":
            lines += [f"{name + ' ' + scheme:36s}{ratio:>12.2f}" for scheme, ratio in value.items()]
        elif _is_number(value):
            lines.append(f"{name:36s}{value:>12.4g}")
    loads = figures["load"]
    if loads:
        lines += ["", f"load average while measuring (own share included): {min(loads):.2f} to {max(loads):.2f}"]
    return "\n".join(lines)
