"""What holds of every search space. Each space's folder has a test class that derives from `SpaceContract`."""

import json
import os
import subprocess
import sys

from enas import interfaces
from enas.options import config


def another(field):
    """A value of an option other than its default, within its range; the default where there is none."""
    meta, kind = field.metadata, field.metadata["kind"]
    if kind is bool:
        return not field.default
    if kind is str:
        return next((choice for choice in meta["choices"] or () if choice != field.default), field.default)
    low, high = meta["low"] if meta["low"] is not None else meta["above"], meta["high"]
    found = field.default + 1 if high is None or field.default + 1 <= high else low
    return kind(found) if found is not None and (meta["above"] is None or found > meta["above"]) else field.default


class SpaceContract:
    """The statements, for one space.

    Attributes:
      space: the `SearchSpace`.
    """

    @property
    def configs(self):
        """The config classes of the space."""
        found = (self.space.search_config, self.space.train_config, self.space.evaluation_config)
        return [cls for cls in found if cls]

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

    def test_settings_and_arcs_need_no_tensorflow(self):
        module = self.space.load.__module__
        code = f"import sys\nimport {module}\nsys.exit('tensorflow' in sys.modules)"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        assert subprocess.run([sys.executable, "-c", code], check=False, env=environment).returncode == 0

    def test_settings_make_the_round_trip_through_their_flags(self):
        for cls in self.configs:
            default = cls()
            assert config.from_values(cls, config.to_values(default)) == default
            for name, _, field in config.options(cls):
                changed = {name: another(field)}
                other = config.from_values(cls, changed)
                assert config.from_values(cls, json.loads(config.dumps(other))) == other
                assert config.to_values(other).items() >= changed.items()

    def test_a_flag_names_one_setting(self):
        for cls in self.configs:
            names = [name for name, _, _ in config.options(cls)]
            assert len(names) == len(set(names)) == len(config.to_values(cls()))

    def test_a_search_and_a_training_have_directories_of_their_own_by_default(self):
        search, training = self.space.search_config(), self.space.train_config()
        assert (search.run.output_dir, training.run.output_dir) == ("outputs/search", "outputs/final")
