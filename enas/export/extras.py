"""Packages that only one format needs: the project's extra `export`."""

import importlib.util

from enas.errors import UserError


def need(package: str, format_name: str) -> None:
    """Checks that a package is installed.

    Raises:
      UserError: it is not; says how to install it.
    """
    if importlib.util.find_spec(package) is None:
        name = package.replace("_", "-")
        raise UserError(
            f"--format={format_name}: needs the package {name}; pip install 'enas-quantized[export]' brings it"
        )
