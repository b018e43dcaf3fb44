"""What a run logs and records: steps, evaluations, and what is about to run."""

import math
from typing import TYPE_CHECKING, Any

from enas.metric import recordable
from enas.runs.position import Position
from enas.runs.run_directory import RunDirectory

if TYPE_CHECKING:
    from enas.runs.session import RunContext


def child_line(epoch: int, step: int, figures: dict[str, float], words: str, minutes: float) -> str:
    """The log line of a child step, in the format of the older ENAS codebases."""
    return (
        f"epoch = {epoch:<6d}ch_step = {step:<6d} loss = {figures['loss']:<8.6f}   lr = {figures['lr']:<8.4f} "
        f"|g| = {figures['grad_norm']:<8.4f} {words}   mins = {minutes:<10.2f}"
    ).rstrip()


def log_evaluation(run: RunDirectory, epoch: int, figures: dict[str, float], **more: Any) -> None:
    """Logs and records an evaluation's `{"valid_accuracy": float, ...}`; `more` goes into the record, e.g. the arc."""
    run.log(f"Epoch {epoch + 1}: Eval")
    for name, value in figures.items():
        run.log(f"{name}: {value:<6.4f}")
        if not math.isfinite(value):
            run.log(f"warning: {name} is not finite: the child has diverged; try a lower learning rate")
    record(run, "eval", epoch, epoch + 1, figures, **more)


def record(run: RunDirectory, kind: str, epoch: int, at: int, figures: dict[str, float], **more: Any) -> None:
    """Records figures in metrics.jsonl and for TensorBoard.

    Args:
      run: the `RunDirectory`.
      kind: "child", "controller" or "eval".
      epoch: epochs done before this one.
      at: the step, of its own kind, that TensorBoard shows the figures at.
      figures: `{name: float}`.
      more: more for the record in metrics.jsonl.
    """
    run.append("metrics.jsonl", {"kind": kind, "epoch": epoch + 1, **more, **recordable(figures)})
    run.events.scalars(at, **{f"{kind}__{name}": value for name, value in figures.items()})


def log_header(context: "RunContext", position: Position) -> None:
    """Logs what is about to run."""
    run, config, task = context.run, context.config, context.task
    run.log("-" * 80)
    run.log(f"{task.description(config, context.dataset)}; seed {config.run.seed}; run directory {run.path}")
    task.log_header(run, context.dataset)
    if ops := config.metadata().get("ops"):
        run.log("ops: " + ", ".join(f"{id} {op}" for id, op in enumerate(ops)))
    if run.resumed:
        inside = f", inside epoch {position.epoch + 1}" if position.phase or position.unit else ""
        run.log(f"resuming after epoch {position.epoch} of {config.run.num_epochs}{inside}")
    run.log("-" * 80)
