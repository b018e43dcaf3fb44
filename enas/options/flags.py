"""absl flags made from a config class, and a config made back from the flags. Nothing here imports TensorFlow."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from absl import flags

from enas.options import config

C = TypeVar("C", bound=config.Settings)

# Absl lists under --help the flags of the script that calls `define`, not this module's.
flags.disclaim_key_flags()

_DEFINERS: dict[type, Any] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}
_ALIASES = {"child_fixed_arc": "fixed_arc"}


def define(
    config_class: type[Any], flag_values: flags.FlagValues = flags.FLAGS, names: Sequence[str] | None = None
) -> None:
    """Defines one flag for each option of a config class, and `--fixed_arc` as another name of `--child_fixed_arc`.

    Args:
      config_class: a class `config.options` knows, e.g. `config.SearchConfig`.
      flag_values: the absl registry the flags go into.
      names: the options to define; None: all.

    Raises:
      absl.flags.DuplicateFlagError: a flag of that name exists, e.g. from a second script in the same process.
    """
    for name, _, field in config.options(config_class):
        if names is not None and name not in names:
            continue
        meta = field.metadata
        text = meta["help"] + _allowed(meta)
        if meta["kind"] is str and meta["choices"]:
            flags.DEFINE_enum(name, str(field.default), list(meta["choices"]), text, flag_values=flag_values)
        else:
            _DEFINERS[meta["kind"]](name, field.default, text, flag_values=flag_values)
        if name in _ALIASES:
            flags.DEFINE_alias(_ALIASES[name], name, flag_values=flag_values)


def parse_config(
    config_class: type[C], flag_values: flags.FlagValues = flags.FLAGS, defaults: Mapping[str, Any] | None = None
) -> C:
    """Returns the config the parsed flags describe.

    Args:
      config_class: the class the flags were defined from; its `presets` count, see `config.Settings`.
      flag_values: their registry.
      defaults: `{flag: value}` for flags that were not given, in place of the options' and the presets' defaults.

    Raises:
      UserError: a value out of its range or not among its choices; names the flag and both.
    """
    found = {name: flag_values[name].value for name, _, _ in config.options(config_class)}
    values = config.with_presets(config_class, found, found)
    return config.from_values(config_class, values | dict(defaults or {}) | given(config_class, flag_values))


def given(config_class: type[Any], flag_values: flags.FlagValues = flags.FLAGS) -> dict[str, Any]:
    """`{flag: value}` of the config's flags that are on the command line."""
    names = [name for name, _, _ in config.options(config_class)]
    return {name: flag_values[name].value for name in names if name in flag_values and flag_values[name].present}


def _allowed(meta):
    """The allowed range as ` (0 to 9)`; empty where there is none or absl's help lists the choices itself."""
    low, above, high = meta["low"], meta["above"], meta["high"]
    if meta["choices"]:
        return "" if meta["kind"] is str else f" ({', '.join(map(str, meta['choices']))})"
    if low is not None and high is not None:
        return f" ({low} to {high})"
    words = [
        f"{word} {bound}"
        for word, bound in (("at least", low), ("more than", above), ("at most", high))
        if bound is not None
    ]
    return f" ({', '.join(words)})" if words else ""
