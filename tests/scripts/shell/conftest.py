"""The copy of the scripts that the tests of this folder run."""

import pytest
from copied_scripts import Copy


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path)
