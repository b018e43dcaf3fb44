"""The macro network in PyTorch, eager: only the op and the skip connections that the arc names run.

Every layer has weights for each op, a 1x1 convolution whose rows the skip connections choose, and every output that is
halved weights of its own; outputs no later layer reads are not halved. See `bench_torch.py` for the rest.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from enas.macro import arc as arcs

NUM_CLASSES = 10


def norm(channels: int, shared: bool) -> nn.Module:
    """Batch norm; shared weights have no moving averages, and are normalised by the batch's own statistics always."""
    return nn.BatchNorm2d(channels, track_running_stats=not shared)


def op_module(op: str, channels: int, shared: bool) -> nn.Module:
    """1x1 convolution, batch norm, ReLU, then the op (but for its batch norm's ReLU)."""
    layers = [nn.Conv2d(channels, channels, 1, bias=False), norm(channels, shared), nn.ReLU(inplace=True)]
    if op == "avg_pool_3x3":
        return nn.Sequential(*layers, nn.AvgPool2d(3, 1, 1, count_include_pad=False))
    if op == "max_pool_3x3":
        return nn.Sequential(*layers, nn.MaxPool2d(3, 1, 1))
    k = int(op[-1])
    if op.startswith("sep"):
        layers.append(nn.Conv2d(channels, channels, k, padding=k // 2, groups=channels, bias=False))
        layers.append(nn.Conv2d(channels, channels, 1, bias=False))
    else:
        layers.append(nn.Conv2d(channels, channels, k, padding=k // 2, bias=False))
    return nn.Sequential(*layers, norm(channels, shared))


class Join(nn.Module):
    """1x1 convolution and batch norm of the outputs joined by skip connections, the layer's own last."""

    def __init__(self, layer: int, channels: int, shared: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(layer + 1, channels, channels) * 0.1)
        self.norm = norm(channels, shared)

    def forward(self, sources: Any, outputs: Any, y: torch.Tensor) -> torch.Tensor:
        """Outputs and y `[N, C, H, W]`; sources: numbers of the outputs joined."""
        x = torch.cat([*(outputs[i] for i in sources), y], 1)
        w = self.weight[[*sources, len(self.weight) - 1]].flatten(0, 1).t()
        return self.norm(functional.conv2d(x, w[:, :, None, None]))


class Reduction(nn.Module):
    """Factorized reduction: two 1x1 convolutions of stride 2, the second one pixel further, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, shared: bool) -> None:
        super().__init__()
        widths = outputs // 2, outputs - outputs // 2
        self.paths = nn.ModuleList([nn.Conv2d(inputs, width, 1, 2, bias=False) for width in widths])
        self.norm = norm(outputs, shared)

    def forward(self, x: Any) -> torch.Tensor:
        """x `[N, Cin, H, W]` to `[N, Cout, ceil(H / 2), ceil(W / 2)]`."""
        shifted = x[:, :, 1:, 1:] if x.shape[2] % 2 == 0 else functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        parts = [path(part) for path, part in zip(self.paths, (x, shifted), strict=True)]
        return self.norm(torch.cat(parts, 1)).relu_()


class Child(nn.Module):
    """The child network of the macro space, shared by all arcs, or of one."""

    def __init__(self, flags: dict[str, Any], arc: Any = None) -> None:
        super().__init__()
        self.flags, width, shared = flags, flags["child_out_filters"], arc is None
        self.num_layers = flags["child_num_layers"]
        self.reductions = arcs.reduction_layers(self.num_layers)
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), norm(width, shared))
        self.layers, self.joins, halvings = nn.ModuleList(), nn.ModuleList(), {}
        for layer in range(self.num_layers):
            ops = arcs.OPS if shared else [arcs.OPS[arc.layers[layer].op]]
            self.layers.append(nn.ModuleDict({op: op_module(op, width, shared) for op in ops}))
            self.joins.append(Join(layer, width, shared))
            if layer in self.reductions:
                wider = width * (2 if flags["child_double_filters"] else 1)
                halvings[str(layer)] = nn.ModuleList([Reduction(width, wider, shared) for _ in range(layer + 2)])
                width = wider
        self.halvings = nn.ModuleDict(halvings)
        self.classifier = nn.Linear(width, NUM_CLASSES)

    def forward(self, x: Any, arc: Any) -> torch.Tensor:
        """x float32 `[N, 3, H, W]`; returns logits `[N, 10]`. Drops units in training mode."""
        outputs = [self.stem(x).relu_()]
        for i, layer in enumerate(arc.layers):
            x = self.layers[i][arcs.OPS[layer.op]](outputs[-1])
            if i:
                x = self.joins[i](layer.sources, outputs, x.relu())
            outputs.append(x.relu())
            if i in self.reductions:
                later = {source for after in arc.layers[i + 1 :] for source in after.sources} | {i + 1}
                halvings = self.halvings[str(i)]
                outputs = [halvings[j](y) if j in later else None for j, y in enumerate(outputs)]
        x = functional.relu(x).mean((2, 3))
        return self.classifier(functional.dropout(x, 1 - self.flags["child_keep_prob"], self.training))
