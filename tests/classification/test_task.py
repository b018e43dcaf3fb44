"""What a run keeps of its images in data.json: read back by the task, and refused where it is damaged."""

import json
import math
import types

import pytest

from enas.classification import task
from enas.errors import UserError
from enas.micro.config import SearchConfig
from enas.options.config import RunConfig
from enas.runs import metadata

WHOLE = {"class_names": ["a", "b"], "mean": [0.5], "std": [0.5], "digests": {}, "bad_images": {}}
WRONG = [{"mean": [math.nan]}, {"std": [0.0]}, {"mean": [10**400]}, {"bad_images": {"train": [["x"]]}}]
DAMAGED = ["", "[]", "{}", '{"class_names": 1}', "\x00", "[" * 100_000]


@pytest.mark.parametrize("text", DAMAGED + [json.dumps(WHOLE | wrong) for wrong in WRONG])
def test_damaged_metadata_is_refused_before_any_image_is_read(tmp_path, text):
    (tmp_path / metadata.DATA).write_text(text)
    with pytest.raises(UserError, match="data.json: "):
        task.load(SearchConfig(run=RunConfig(output_dir=str(tmp_path))))


def test_a_run_has_no_metadata_before_its_data_is_stored(tmp_path):
    assert metadata.read_data(str(tmp_path / "nowhere")) is None


def test_a_resumed_run_refuses_other_data_than_it_began_with(tmp_path):
    written = {}
    run = types.SimpleNamespace(path="there", resumed=False, file=lambda name: str(tmp_path / name))
    run.write = lambda name, text: (tmp_path / name).write_text(text) or written.update({name: text})
    metadata.store_data(run, WHOLE, "digits")
    assert metadata.read_data(str(tmp_path)) == WHOLE
    run.resumed = True
    metadata.store_data(run, WHOLE, "digits")
    with pytest.raises(UserError, match="began with other data than --dataset=digits now gives"):
        metadata.store_data(run, WHOLE | {"mean": [0.25]}, "digits")
