"""One epoch of child training: what the search and the training of one arc share."""

import json
import math

from tqdm import tqdm

from enas import optim
from enas.data import facts

SHOWN = 20  # of a list that may be long, in the log


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
    """Logs what is about to run, and stores what is known of the data set."""
    run.write(facts.NAME, json.dumps(facts.of(dataset), indent=2) + "\n")
    announce_data(run, config, dataset)
    run.log(f"scheme {config.child.scheme}; seed {config.run.seed}; run directory {run.path}")
    if run.resumed:
        run.log(f"resuming after epoch {done} of {config.run.num_epochs}")
    run.log("-" * 80)


def announce_data(run, config, dataset):
    """Logs how many images of which classes there are, and which files were left out; lists these in bad_images.txt."""
    sizes = "/".join(str(len(split.labels)) for split in (dataset.train, dataset.valid, dataset.test))
    shape, names = "x".join(map(str, dataset.image_shape)), dataset.class_names
    run.log("-" * 80)
    run.log(f"{config.data.dataset}: {sizes} train/valid/test images of {shape}, {dataset.num_classes} classes")
    more = f" and {len(names) - SHOWN} more (see {facts.NAME})" if len(names) > SHOWN else ""
    run.log(f"classes: {', '.join(names[:SHOWN])}{more}")
    bad = [reason for reasons in dataset.bad_images.values() for _, reason in reasons]
    if bad:
        run.write("bad_images.txt", "".join(reason + "\n" for reason in bad))
        run.log(f"{len(bad)} unreadable images are left out; all of them are in {run.file('bad_images.txt')}")
        for reason in bad[:SHOWN]:
            run.log(f"  {reason}")
