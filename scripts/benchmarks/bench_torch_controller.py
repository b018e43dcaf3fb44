"""The controller of the micro space in PyTorch, eager. See `bench_torch.py` for the rest."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from enas.micro import arc as arcs


class Controller(nn.Module):
    """The LSTM that samples a batch of arcs, decision by decision, as `enas.micro.controller` does."""

    def __init__(self, flags: dict[str, Any]) -> None:
        super().__init__()
        self.flags, size = flags, flags["controller_lstm_size"]
        self.lstm, self.first = nn.LSTMCell(size, size, bias=False), nn.Parameter(torch.randn(1, size) * 0.1)
        self.embedding, self.ops = nn.Embedding(len(arcs.OPS), size), nn.Linear(size, len(arcs.OPS))
        self.anchor, self.query = nn.Linear(size, size, bias=False), nn.Linear(size, size, bias=False)
        self.score = nn.Linear(size, 1, bias=False)

    def forward(self, count: int) -> Any:
        """Samples `count` arcs; returns a list of `arcs.Arc`, log-probabilities `[count]` and entropies `[count]`."""
        self.log_prob, self.entropy, decisions = 0.0, 0.0, []
        first, state = self.first.expand(count, -1), None
        for _ in arcs.CELLS:
            x, anchors, keys = first, [], []
            for node in range(self.flags["child_num_cells"] + 2):
                if node >= 2:
                    x, state, chosen = self._node(x, state, anchors, keys)
                    decisions += chosen
                state = self.lstm(x, state)
                anchors.append(state[0])
                keys.append(self.anchor(state[0]))
                x = first
        return [arcs.from_list(row) for row in torch.stack(decisions, 1).tolist()], self.log_prob, self.entropy

    def _node(self, x, state, anchors, keys):
        chosen, reach, bound = [], torch.stack(keys, 1), self.flags["controller_tanh_constant"]
        for _ in range(2):
            state = self.lstm(x, state)
            scores = self.score(torch.tanh(reach + self.query(state[0])[:, None]))[:, :, 0]
            chosen.append(self._choose(bound * torch.tanh(scores)))
            x = torch.stack(anchors, 1)[torch.arange(len(x)), chosen[-1]]
        for _ in range(2):
            state = self.lstm(x, state)
            reduced = bound / self.flags["controller_op_tanh_reduce"]
            chosen.append(self._choose(reduced * torch.tanh(self.ops(state[0]))))
            x = self.embedding(chosen[-1])
        return x, state, [chosen[0], chosen[2], chosen[1], chosen[3]]

    def _choose(self, logits):
        log_p = functional.log_softmax(logits, 1)
        choice = torch.multinomial(log_p.detach().exp(), 1)[:, 0]
        self.log_prob = self.log_prob + log_p.gather(1, choice[:, None])[:, 0]
        self.entropy = self.entropy - (log_p.exp() * log_p).sum(1)
        return choice
