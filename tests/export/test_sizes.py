"""--cost=model_bytes keeps to the size of the file that a device gets."""

import numpy as np
import pytest

from enas.export import latency as measuring
from enas.micro import arc as arcs
from enas.micro import cost, latency, program
from enas.micro.config import ChildConfig
from quantize.runtime.model import packed_file

SHAPE, CLASSES = (28, 28, 1), 10
HEADER = 1_500  # bytes: operations, names, numbers of the preprocessing


def packed_bytes(arc, config):
    """The size of the packed file of a child with made-up weights."""
    scopes = latency.scopes(arc, config, SHAPE, CLASSES)
    shapes = {scope: program.unit_shapes(unit, config) for scope, unit in scopes.items()}
    builder = measuring.builder_of(config, CLASSES, SHAPE, shapes)
    program.describe(builder, arc)
    return len(packed_file.write(measuring.network_of(builder)))


@pytest.mark.parametrize("scheme", ["fp32", "fp16", "binary", "ternary", "k2", "k4"])
@pytest.mark.parametrize("filters", [8, 24])
def test_a_packed_file_has_the_bytes_that_a_search_counts(scheme, filters):
    config, random = ChildConfig(num_layers=2, out_filters=filters, scheme=scheme), np.random.default_rng(filters)
    for _ in range(3):
        bounds = [(node + 2, 5, node + 2, 5) for node in range(config.num_cells)] * 2
        arc = arcs.for_child([int(random.integers(bound)) for node in bounds for bound in node], config)
        counted = cost.cost(arc, config, SHAPE, CLASSES).model_bytes
        # Of one and two-valued activations, batch norms become thresholds, which are smaller than what is counted.
        least = 0.8 if scheme in ("binary", "ternary") else 1.0
        assert least * counted <= packed_bytes(arc, config) <= counted + HEADER
