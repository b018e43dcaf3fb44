"""The C file: what it computes is what the packed runtime computes, to the last bit, without anything else."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from made_up_networks import network

from enas.errors import UserError
from enas.export import c, formats, packed
from quantize.runtime import kernels
from quantize.runtime.model import executor

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler")
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 6, 5, 3), np.uint8)
PROGRAM = """
#include <stdio.h>
#include "child.h"

int main(void)
{
    static unsigned char image[CHILD_HEIGHT * CHILD_WIDTH * CHILD_CHANNELS];
    while (fread(image, 1, sizeof image, stdin) == sizeof image)
        puts(child_class_names[child_class(image)]);
    return 0;
}
"""


@pytest.mark.parametrize(
    "scheme", ["binary", "ternary", "k2", "k4", *(pytest.param(s, marks=pytest.mark.slow) for s in ("k1", "k3", "k8"))]
)
def test_logits_are_those_of_the_packed_runtime_to_the_last_bit(scheme, tmp_path):
    made = network(scheme, channels=9)
    c.write(made, str(tmp_path / "child.c"))
    found = formats.open_model(str(tmp_path / "child.c"))
    assert (found.preprocessing, found.class_names) == (made.preprocessing, made.class_names)
    expected = executor.logits_of(made, kernels.get())(IMAGES)
    np.testing.assert_array_equal(found.logits(IMAGES), expected)


@pytest.fixture(scope="module")
def trained(run_directory):
    from enas.export import trained

    return trained.load(str(run_directory)).network


def test_a_program_of_its_own_compiles_without_a_warning_and_names_the_runtimes_classes(trained, tmp_path):
    c.write(trained, str(tmp_path / "child.c"))
    (tmp_path / "main.c").write_text(PROGRAM)
    strict = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O1", "-ffp-contract=off"]
    subprocess.run(["cc", *strict, "child.c", "main.c", "-o", "program"], cwd=tmp_path, check=True)
    form = trained.preprocessing
    images = np.random.default_rng(0).integers(0, 256, (100, form.height, form.width, form.channels), np.uint8)
    done = subprocess.run([tmp_path / "program"], input=images.tobytes(), capture_output=True, check=True)
    classes = packed.RuntimeModel(trained).logits(images).argmax(axis=1)
    assert done.stdout.decode().split() == [trained.class_names[i] for i in classes]


def test_the_static_memory_is_what_the_header_says_and_nothing_else_is_written_to(trained, tmp_path):
    c.write(trained, str(tmp_path / "child.c"))
    stated = int(re.search(r"CHILD_MEMORY (\d+)", (tmp_path / "child.h").read_text())[1])
    subprocess.run(["cc", *c.FLAGS, "-c", "child.c"], cwd=tmp_path, check=True)
    table = subprocess.run(["nm", "-S", "child.o"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    written = {name: int(size, 16) for _, size, kind, name in re.findall(r"(\w+) (\w+) ([bBdDC]) (\w+)", table)}
    assert {name: size for name, size in written.items() if not re.match("call_|.*class_names", name)} == {
        "memory": stated
    }
    undefined = set(re.findall(r" U (\w+)", table))
    assert undefined <= {"memcpy", "memset", "_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}


@pytest.mark.parametrize("name", ["child", "1.c", "my child.c", "é.c"])
def test_a_name_that_is_no_identifier_is_refused(name, trained, tmp_path):
    with pytest.raises(UserError, match=r"expected a name of letters, digits and _ that ends in \.c"):
        c.write(trained, str(tmp_path / name))


def test_a_c_file_of_someone_else_gets_one_line(tmp_path):
    (tmp_path / "other.c").write_text("int main(void) { return 0; }\n")
    with pytest.raises(UserError, match="other.c: not a C file of export_child.py"):
        formats.open_model(str(tmp_path / "other.c"))


def test_class_names_may_be_anything(tmp_path):
    import dataclasses

    names = ('a "quote"', "*/ int x; /*", "two\nlines\\", "日本")
    c.write(dataclasses.replace(network("k2"), class_names=names), str(tmp_path / "odd.c"))
    assert formats.open_model(str(tmp_path / "odd.c")).class_names == names
    shown = 'for (int i = 0; i < ODD_CLASSES; ++i) printf("%s%c", odd_class_names[i], 0);'
    (tmp_path / "main.c").write_text(f'#include <stdio.h>\n#include "odd.h"\nint main(void) {{ {shown} return 0; }}\n')
    subprocess.run(["cc", *c.FLAGS, "odd.c", "main.c", "-o", "program"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "program"], capture_output=True, check=True).stdout
    assert printed.decode().split("\0")[:-1] == list(names)
