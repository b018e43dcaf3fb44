"""Without a C compiler the runtime's kernels can't be tested; then NumPy stands in for them."""

import shutil

COMPILERS = ("cc", "gcc", "clang")


def pytest_report_header():
    """Says so, rather than leave files out in silence."""
    return (
        None
        if any(map(shutil.which, COMPILERS))
        else f"no C compiler ({', '.join(COMPILERS)}): the kernels are left out"
    )


collect_ignore_glob = [] if any(map(shutil.which, COMPILERS)) else ["test_runtime_*.py"]
