"""The figures of the benchmark in words."""

import numpy as np


def summary(name, times):
    """Figures of steps, (wall s, CPU s) each: `{name}_s` is the median, `{name}_min_s` and `{name}_cpu_s` beside it."""
    wall, cpu = np.array(times).T
    return {
        f"{name}_s": float(np.median(wall)),
        f"{name}_min_s": float(wall.min()),
        f"{name}_cpu_s": float(np.median(cpu)),
    }


def table(figures):
    """All figures, one a line; the load at the end says how far to trust them."""
    lines = [f"{figures['machine']}", ""]
    for name, value in figures.items():
        if isinstance(value, dict) and name == "scheme_step_vs_fp32":
            lines += [f"{name + ' ' + scheme:36s}{ratio:>12.2f}" for scheme, ratio in value.items()]
        elif isinstance(value, int | float):
            lines.append(f"{name:36s}{value:>12.4g}")
    loads = figures["load"]
    if loads:
        lines += ["", f"load average while measuring (own share included): {min(loads):.2f} to {max(loads):.2f}"]
    return "\n".join(lines)
