"""What holds of every search space. Each space's folder has a test class that derives from `SpaceContract`."""

import json
import math
import os
import subprocess
import sys

from enas import interfaces
from enas.options import config


def bounds(meta):
    """(value that is just allowed, value that is just refused) for each bound in the metadata of an option."""
    whole = meta["kind"] is int
    below = (lambda v: v - 1) if whole else (lambda v: math.nextafter(v, -math.inf))
    over = (lambda v: v + 1) if whole else (lambda v: math.nextafter(v, math.inf))
    if meta["low"] is not None:
        yield meta["low"], below(meta["low"])
    if meta["above"] is not None:
        yield over(meta["above"]), meta["above"]
    if meta["high"] is not None:
        yield meta["high"], over(meta["high"])


class SpaceContract:
    """The statements, for one space.

    Attributes:
      space: the `SearchSpace`.
      more_configs: config classes that the space has beside those of its `SearchSpace`.
    """

    more_configs = ()

    @property
    def configs(self):
        """The config classes of the space."""
        found = (self.space.search_config, self.space.train_config, self.space.evaluation_config)
        return [*filter(None, found), *self.more_configs]

    def test_the_space_supplies_what_the_interface_lists(self):
        assert self.space.name == self.space.search_config.space == self.space.train_config.space
        for module, protocol in (
            (self.space.arc, interfaces.ArcModule),
            (self.space.diagram, interfaces.DiagramModule),
            (self.space.controller, interfaces.ControllerModule),
            (self.space.task, interfaces.Task),
        ):
            listed = {part for part in {*vars(protocol), *protocol.__annotations__} if not part.startswith("_")}
            assert listed and listed <= set(dir(module)), module

    def test_reports_compare_arcs_by_what_the_task_compares_them_by(self):
        assert self.space.metric is self.space.task.METRIC

    def test_settings_and_arcs_need_no_tensorflow(self):
        module = self.space.load.__module__
        code = f"import sys\nimport {module}\nsys.exit('tensorflow' in sys.modules)"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        assert subprocess.run([sys.executable, "-c", code], check=False, env=environment).returncode == 0

    def test_settings_make_the_round_trip_through_their_flags(self):
        for cls in self.configs:
            default = cls()
            assert config.from_values(cls, config.to_values(default)) == default
            limits = {name: list(bounds(field.metadata)) for name, _, field in config.options(cls)}
            changed = {name: values[0][0] for name, values in limits.items() if values}
            other = config.from_values(cls, changed)
            assert other != default
            assert config.from_values(cls, json.loads(config.dumps(other))) == other
            assert config.to_values(other).items() >= changed.items()

    def test_a_flag_names_one_setting(self):
        for cls in self.configs:
            names = [name for name, _, _ in config.options(cls)]
            assert len(names) == len(set(names)) == len(config.to_values(cls()))

    def test_a_search_and_a_training_have_directories_of_their_own_by_default(self):
        search, training = self.space.search_config(), self.space.train_config()
        assert (search.run.output_dir, training.run.output_dir) == ("outputs/search", "outputs/final")
