"""The same search in PyTorch, eager: what a user would write instead, with what makes it fast on a CPU.

Only the chosen ops run; every (layer, node, side, source, op) has weights of its own; the optimizer is the fused SGD with
Nesterov momentum and passes over what a step did not use; batches are random tensors that lie ready. Layout (channels
last or not) is whichever is faster in a short trial.
"""

import time
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from enas.commands import environment
from enas.micro import arc as arcs
from enas.micro.config import SearchConfig
from enas.micro.op_table import KERNELS, REPEATS
from enas.options import config
from scripts.benchmarks import bench_arcs
from scripts.benchmarks.bench_torch_controller import Controller


def norm(channels: int, shared: bool) -> nn.Module:
    """Batch norm; shared weights have no moving averages, and are normalised by the batch's own statistics always."""
    return nn.BatchNorm2d(channels, track_running_stats=not shared)


def conv1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """A 1x1 convolution without bias."""
    return nn.Conv2d(inputs, outputs, 1, stride, bias=False)


def separable(channels: int, k: int, shared: bool) -> nn.Module:
    """ReLU, depthwise and pointwise convolution and batch norm, twice."""
    layers = []
    for _ in range(REPEATS):
        depthwise = nn.Conv2d(channels, channels, k, padding=k // 2, groups=channels, bias=False)
        layers += [nn.ReLU(), depthwise, conv1x1(channels, channels), norm(channels, shared)]
    return nn.Sequential(*layers)


class FactorizedReduction(nn.Module):
    """Halves height and width: two 1x1 convolutions of stride 2, the second one pixel further."""

    def __init__(self, inputs: int, outputs: int, shared: bool) -> None:
        super().__init__()
        self.paths = nn.ModuleList([conv1x1(inputs, outputs // 2, 2), conv1x1(inputs, outputs - outputs // 2, 2)])
        self.norm = norm(outputs, shared)

    def forward(self, x: Any) -> torch.Tensor:
        """x `[N, Cin, H, W]` to `[N, Cout, ceil(H / 2), ceil(W / 2)]`."""
        x = functional.relu(x)
        shifted = x[:, :, 1:, 1:]
        odd = x.shape[2] % 2
        if odd:
            shifted = functional.pad(shifted, (0, 1, 0, 1))
        return self.norm(torch.cat([path(part) for path, part in zip(self.paths, (x, shifted), strict=True)], 1))


class Adapter(nn.Module):
    """A 1x1 convolution that brings a cell's input to its channels."""

    def __init__(self, inputs: int, outputs: int, shared: bool) -> None:
        super().__init__()
        self.conv, self.norm = conv1x1(inputs, outputs), norm(outputs, shared)

    def forward(self, x: Any) -> torch.Tensor:
        """x `[N, Cin, H, W]` to `[N, Cout, H, W]`."""
        return self.norm(self.conv(functional.relu(x)))


class Cell(nn.Module):
    """One cell; `slots` holds the convolutions of every (node, side, source, op), or of one arc's."""

    def __init__(self, channels: int, num_cells: int, adapters: Any, cell: Any = None) -> None:
        super().__init__()
        self.adapters, self.channels = nn.ModuleList(adapters), channels
        keys = [
            (node, side, source, op)
            for node in range(num_cells)
            for side in range(2)
            for source in range(node + 2)
            for op in range(len(arcs.OPS))
            if cell is None or cell.nodes[node].sides[side] == (source, op)
        ]
        self.slots = nn.ModuleDict(
            {
                str(key): separable(channels, KERNELS[arcs.OPS[key[3]]], cell is None)
                for key in keys
                if arcs.OPS[key[3]] in KERNELS
            }
        )
        self.combine = nn.Parameter(torch.randn(num_cells + 2, channels, channels) * 0.1)
        self.norm = norm(channels, cell is None)

    def forward(self, inputs: Any, cell: Any, masks: Any) -> torch.Tensor:
        """inputs: two of `[N, C, H, W]`; cell: an `arcs.Cell`; masks: `[num_cells, 2, N, 1, 1, 1]` or None."""
        nodes = [adapter(x) for adapter, x in zip(self.adapters, inputs, strict=True)]
        for i, node in enumerate(cell.nodes):
            sides = []
            for side, (source, op) in enumerate(node.sides):
                y = self._apply_op(i, side, source, op, nodes[source])
                dropped = masks is not None and arcs.OPS[op] != "identity"
                sides.append(y * masks[i, side] if dropped else y)
            nodes.append(sides[0] + sides[1])
        loose = cell.loose_ends
        x = torch.cat([nodes[i] for i in loose], 1).relu_()
        w = self.combine[list(loose)].reshape(len(loose) * self.channels, self.channels).t()
        return self.norm(functional.conv2d(x, w[:, :, None, None]))

    def _apply_op(self, node, side, source, op, x):
        name = arcs.OPS[op]
        if name == "avg_pool_3x3":
            return functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        if name == "max_pool_3x3":
            return functional.max_pool2d(x, 3, 1, 1)
        return x if name == "identity" else self.slots[str((node, side, source, op))](x)


class Child(nn.Module):
    """The child network of the micro space, shared by all arcs or of one."""

    def __init__(self, flags: dict[str, Any], arc: Any = None) -> None:
        super().__init__()
        self.flags, width = flags, flags["child_out_filters"]
        third = flags["child_num_layers"] // 3
        self.reductions = (third, 2 * third + 1)
        self.stem = nn.Sequential(nn.Conv2d(3, 3 * width, 3, padding=1, bias=False), norm(3 * width, arc is None))
        side, cells = flags["image_size"], []
        earlier = [(3 * width, side), (3 * width, side)]
        for layer in range(flags["child_num_layers"] + 2):
            cell = None if arc is None else (arc.reduction if layer in self.reductions else arc.normal)
            if layer in self.reductions:
                width, side = 2 * width, -(-side // 2)
            adapters = [_adapter(old, width, side, arc is None) for old in earlier]
            cells.append(Cell(width, flags["child_num_cells"], adapters, cell))
            earlier = [earlier[1], (width, side)]
        self.cells = nn.ModuleList(cells)
        self.classifier = nn.Linear(width, bench_arcs.NUM_CLASSES)

    def forward(self, x: Any, arc: Any) -> Any:
        """x float32 `[N, 3, H, W]`; returns logits `[N, 10]`. Drops paths and units in training mode."""
        older = newer = self.stem(x)
        for layer, cell in enumerate(self.cells):
            chosen = arc.reduction if layer in self.reductions else arc.normal
            older, newer = newer, cell((older, newer), chosen, self._masks(layer, len(x)))
        x = functional.relu(newer).mean((2, 3))
        return self.classifier(functional.dropout(x, 1 - self.flags["child_keep_prob"], self.training))

    def _masks(self, layer, count):
        final = self.flags["child_drop_path_keep_prob"]
        if not self.training or final == 1.0:
            return None
        keep = 1.0 - (layer + 1) / len(self.cells) * 0.5 * (1.0 - final)
        return torch.floor(keep + torch.rand(self.flags["child_num_cells"], 2, count, 1, 1, 1)) / keep


def _adapter(old, width, side, shared):
    channels, old_side = old
    steps = []
    while old_side != side:
        steps.append(FactorizedReduction(channels, width, shared))
        channels, old_side = width, -(-old_side // 2)
    if channels != width:
        steps.append(Adapter(channels, width, shared))
    return nn.Sequential(*steps)


class Search:
    """The shared child and its controller."""

    fixed = False

    def __init__(self, flags: dict[str, Any], clock: Any) -> None:
        clock.mark("import_s")
        torch.manual_seed(flags["seed"])
        torch.set_num_threads(environment.cores())
        self.flags, self.step = flags, 0
        self.child_config = config.from_values(SearchConfig, flags).child
        self.arc = bench_arcs.random_arc(flags["seed"], 0, self.child_config) if self.fixed else None
        self.net = Child(flags, self.arc)
        self.optimizer = self._sgd()
        self.policy = Controller(flags)
        self.adam = torch.optim.Adam(self.policy.parameters(), flags["controller_lr"], (0.0, 0.999), 1e-3)
        data = bench_arcs.dataset(flags["seed"], flags["batch_size"], flags["image_size"]).train
        images = (data.images[: flags["batch_size"]].astype(np.float32) / 255 - 0.5) / 0.25
        self.images = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
        self.labels = torch.from_numpy(data.labels[: flags["batch_size"]]).long()
        clock.mark("graph_build_s")
        if not self.fixed:
            with torch.inference_mode():  # as an epoch begins: a search needs its arcs before its first step
                self.policy(len(data.images) // flags["batch_size"])
            clock.mark("first_arcs_s")
        self.chosen = False

    def _sgd(self):
        decay = 2 * self.flags["child_l2_reg"]
        optimizer = torch.optim.SGD(
            self.net.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=decay, fused=True
        )
        # The fused step wants all of them; SGD would make each at its weights' first use.
        for weights in self.net.parameters():
            optimizer.state[weights]["momentum_buffer"] = torch.zeros_like(weights)
        return optimizer

    def child(self) -> None:
        """One training step on a new arc, or on the fixed one; after the first, the faster layout is chosen."""
        self._step()
        if self.step == 2 and not self.chosen:
            self._choose_layout()

    def _choose_layout(self):
        times = {}
        for layout in (torch.contiguous_format, torch.channels_last):
            self._lay_out(layout)
            for trial in range(5):
                if trial == 1:
                    start = time.perf_counter()
                self._step()
            times[layout] = time.perf_counter() - start
        self.chosen = True
        self._lay_out(min(times, key=times.get))

    def _lay_out(self, layout):
        self.net.to(memory_format=layout)
        self.images = self.images.contiguous(memory_format=layout)
        self.optimizer, self.step = self._sgd(), 0

    def _step(self):
        arc = self.arc or bench_arcs.random_arc(self.flags["seed"], self.step, self.child_config)
        self.net.train()
        loss = functional.cross_entropy(self.net(self.images, arc), self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        return loss.item()

    def evaluate(self) -> None:
        """One evaluation of the fixed arc, of as many batches as the test images are."""
        for _ in range(bench_arcs.EVAL_BATCHES):
            self.accuracy(self.arc)

    def accuracy(self, arc: Any) -> float:
        """The accuracy of an arc on one batch."""
        self.net.eval()
        with torch.inference_mode():
            return (self.net(self.images, arc).argmax(1) == self.labels).float().mean().item()

    def controller(self) -> None:
        """One update of the controller: arcs sampled, each rewarded on a batch, one REINFORCE step."""
        sampled, log_prob, entropy = self.policy(self.flags["controller_num_aggregate"])
        rewards = torch.tensor([self.accuracy(arc) for arc in sampled])
        loss = (-(rewards - rewards.mean()) * log_prob).mean()
        loss = loss - self.flags["controller_entropy_weight"] * entropy.mean()
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        self.adam.step()


class Fixed(Search):
    """One arc, with weights for that arc alone."""

    fixed = True
