"""One epoch of child training: what the search and the training of one arc share."""

import json
import math

from tqdm import tqdm

from enas import optim


def child_epoch(session, run, config, training, epoch, feeds=lambda _: {}):
    """Trains a child for one epoch, with a progress bar on a terminal, log lines and metrics.

    Args:
      session: the session.
      run: the `RunDirectory`.
      config: a `SearchConfig` or `TrainConfig`.
      training: the `child_graph.Training`.
      epoch: epochs done before this one.
      feeds: function of the step (from 0, over the whole run) to more feeds, e.g. the arc.
    """
    per_epoch, update = training.stream.per_epoch, training.update
    fetches = [training.loss, update.grad_norm, training.correct, update.loss_scale, update.skipped, update.op]
    bar = tqdm(range(epoch * per_epoch, (epoch + 1) * per_epoch), f"epoch {epoch + 1}", disable=None, leave=False)
    skipped_before = int(session.run(update.skipped))
    for step in bar:
        rate = optim.learning_rate(config.child, step / per_epoch)
        loss, norm, correct, scale, skipped, _ = session.run(fetches, {training.rate: rate, **feeds(step)})
        if skipped > skipped_before or not math.isfinite(norm):
            skipped_before += 1
            run.log(
                f"ch_step = {step + 1}: a gradient was not finite; step skipped, loss scale was {scale:g}, "
                f"{skipped_before} skipped so far"
            )
        if (step + 1) % config.run.log_every == 0 or step + 1 == (epoch + 1) * per_epoch:
            run.log(child_line(epoch, step + 1, loss, rate, norm, correct, config.run.batch_size, run.minutes()))
            run.append(
                "metrics.jsonl",
                {
                    "kind": "child",
                    "epoch": epoch + 1,
                    "step": step + 1,
                    "loss": float(loss),
                    "lr": rate,
                    "grad_norm": float(norm),
                    "train_accuracy": float(correct) / config.run.batch_size,
                    "loss_scale": float(scale),
                    "skipped_steps": skipped_before,
                },
            )
            run.events.scalars(
                step + 1,
                child__loss=loss,
                child__lr=rate,
                child__grad_norm=norm,
                child__train_accuracy=correct / config.run.batch_size,
                child__loss_scale=scale,
            )


def child_line(epoch, step, loss, rate, norm, correct, batch_size, minutes):
    """The log line of a child step, in the format of the older ENAS codebases."""
    return (
        f"epoch = {epoch:<6d}ch_step = {step:<6d} loss = {loss:<8.6f}   lr = {rate:<8.4f} |g| = {norm:<8.4f} "
        f"tr_acc = {int(correct):<3d}/{batch_size:>3d}   mins = {minutes:<10.2f}"
    ).rstrip()


def announce(run, config, dataset, done):
    """Logs what is about to run, and stores how images are normalised."""
    facts = {"class_names": dataset.class_names, "mean": dataset.mean.tolist(), "std": dataset.std.tolist()}
    run.write("data.json", json.dumps(facts, indent=2) + "\n")
    sizes = "/".join(str(len(split.labels)) for split in (dataset.train, dataset.valid, dataset.test))
    shape = "x".join(map(str, dataset.image_shape))
    run.log("-" * 80)
    run.log(
        f"{config.data.dataset}: {sizes} train/valid/test images of {shape}, {dataset.num_classes} classes; "
        f"scheme {config.child.scheme}; seed {config.run.seed}; run directory {run.path}"
    )
    if run.resumed:
        run.log(f"resuming after epoch {done} of {config.run.num_epochs}")
    run.log("-" * 80)
