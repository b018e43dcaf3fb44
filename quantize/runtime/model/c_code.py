"""A network as a C99 program: one file and a header, no dependency, static memory.

A network is recorded as calls of the plain C kernels. The file holds the kernels' own source, the calls' arguments, and
the weights as these kernels read them, so it computes what the runtime computes, to the last bit.
"""

import ctypes
import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from quantize.runtime import build
from quantize.runtime.codes import Array
from quantize.runtime.memory import address
from quantize.runtime.model.executor import function_of
from quantize.runtime.model.network import Network
from quantize.runtime.native import NativeKernels
from quantize.runtime.program import Program, Recording
from quantize.runtime.structures import Kernel

_STRUCTURES = {
    "Quantize": "quantize",
    "BitDepthwise": "bit_depthwise",
    "ByteDepthwise": "byte_depthwise",
    "Conv": "conv",
    "Floats": "floats",
    "Activate": "activate",
    "Copy": "copy",
}
_ALIGNMENT = 16
_PREAMBLE = """#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
#if defined(__BYTE_ORDER__) && defined(__ORDER_BIG_ENDIAN__)
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "the weights are laid out for little-endian processors"
#endif
#endif
"""


@dataclasses.dataclass(frozen=True)
class CProgram:
    """The files of a network.

    Attributes:
      source, header: their texts.
      memory_bytes: of the static memory that predictions take.
    """

    source: str
    header: str
    memory_bytes: int


def generate(network: Network, name: str) -> CProgram:
    """Writes a network as C.

    Args:
      name: a C identifier that all public names begin with; the header is called `<name>.h`.

    Raises:
      build.BuildError: the kernels can't be compiled here, which is what records the calls.
    """
    kernels = NativeKernels(build.library(), "plain", 1)
    program: Any = kernels.program(function_of(network), np.zeros((1, *network.values()[0].shape), np.float32))
    assert isinstance(program, Program)
    places = _Places(program.shared)
    calls = [_call(places, i, *call) for i, call in enumerate(program.shared.calls)]
    memory = places.memory_bytes
    source = "\n".join(
        [
            f"/* {_comment(network.metadata())} */",
            f"/* A network as C99 for little-endian processors: {network.parameters} numbers, {memory} bytes of memory. */",
            f'#include "{name}.h"\n',
            _PREAMBLE,
            _kernel_source(),
            f"static union {{ uint64_t alignment; unsigned char bytes[{memory}]; }} memory;",
            *places.constants,
            *(declaration for declaration, _ in calls),
            _functions(network, name, places, [statement for _, statement in calls]),
        ]
    )
    return CProgram(source, _header(network, name, memory), memory)


def metadata(source: str) -> dict[str, Any]:
    """What the first line of a generated file says: preprocessing, class_names, origin.

    Raises:
      ValueError: it is no generated file.
    """
    line = source.partition("\n")[0]
    if not (line.startswith("/* {") and line.endswith("} */")):
        raise ValueError("not a generated C file")
    found = json.loads(line[3:-3])
    if not isinstance(found, dict):
        raise ValueError("not a generated C file")
    return found


def _comment(values: Any) -> str:
    """JSON that can't end a comment."""
    return json.dumps(values).replace("*/", "*\\/")


class _Places:
    """Where the memory and the constants of a recording are in the C file."""

    def __init__(self, recording: Recording) -> None:
        self.blocks: list[tuple[int, int, str]] = []  # where it begins, bytes, C expression of its start
        self.constants: list[str] = []
        self.memory_bytes = 0
        self._arrays = {address(array): array for array in _arrays(recording.kept)}
        for start, size in [(address(recording.inputs[0]) or 0, recording.inputs[0].nbytes), *recording.memory.blocks]:
            self.blocks.append((start, size, f"memory.bytes + {self.memory_bytes}"))
            self.memory_bytes += -(-size // _ALIGNMENT) * _ALIGNMENT
        self.output = self.expression(address(recording.output))

    def expression(self, pointer: int | None) -> str:
        """A C expression of a pointer."""
        if pointer is None:
            return "NULL"
        for start, size, text in self.blocks:
            if start <= pointer < start + size:
                return f"(void *)({text} + {pointer - start})"
        array = self._arrays[pointer]
        name = f"constant_{len(self.constants)}"
        self.constants.append(_constant(name, array))
        self.blocks.append((pointer, max(array.nbytes, 1), f"(unsigned char *){name}"))
        return self.expression(pointer)


def _arrays(kept: Any) -> Iterator[Array]:
    """All arrays in nested lists, tuples and dataclasses."""
    if isinstance(kept, np.ndarray):
        yield kept
    elif isinstance(kept, list | tuple):
        for item in kept:
            yield from _arrays(item)
    elif dataclasses.is_dataclass(kept):
        yield from _arrays(list(vars(kept).values()))


def _constant(name: str, array: Array) -> str:
    """A constant array. Integers are words, as the kernels read several of them at once."""
    if array.dtype == np.float32:
        kind, words = "float", [f"{float(value).hex()}f" for value in array.ravel()]
    else:
        data = np.ascontiguousarray(array).tobytes()
        kind, numbers = "uint32_t", np.frombuffer(data + bytes(-len(data) % 4), "<u4")
        words = [f"{number:#x}u" for number in numbers.tolist()]
    lines = [", ".join(words[i : i + 12]) for i in range(0, len(words), 12)] or ["0"]
    return f"static const {kind} {name}[] = {{\n" + ",\n".join(lines) + "};"


def _call(places: _Places, number: int, kernel: Kernel, arguments: ctypes.Structure, rows: int) -> tuple[str, str]:
    """The declaration of a call's arguments, and the call."""
    structure = _STRUCTURES[type(arguments).__name__]
    declaration = f"static const struct {structure} call_{number} = {_initializer(places, arguments)};"
    return declaration, f"    {kernel.name.lower()}(&call_{number}, 0, {rows});"


def _initializer(places: _Places, structure: ctypes.Structure) -> str:
    words = []
    for field in structure._fields_:
        value = getattr(structure, field[0])
        if isinstance(value, ctypes.Structure):
            words.append(_initializer(places, value))
        elif field[1] is ctypes.c_void_p:
            words.append(places.expression(value))
        elif isinstance(value, float):
            words.append(f"{value.hex()}f")
        else:
            words.append(str(value))
    return "{" + ", ".join(words) + "}"


def _kernel_source() -> str:
    """The plain kernels' source as one text, without the table of them."""
    text = "\n".join(_included(name, set()) for name in ("runtime.h", "levels/plain.h", "kernels.h"))
    return "#include <string.h>\n" + text[: text.index("const kernel TABLE")]


def _included(name: str, seen: set[str]) -> str:
    """A source file with those it includes by name in their places, each once."""
    seen.add(name)
    lines = []
    for line in (build.SOURCES / name).read_text().splitlines():
        found = re.match(r'#include "([^"]+)"', line)
        if found is None:
            lines.append(line)
        elif found[1] not in seen:
            lines.append(_included(found[1], seen))
    return "\n".join(lines)


def _floats(values: tuple[float, ...]) -> str:
    return "{" + ", ".join(f"{float(np.float32(value)).hex()}f" for value in values) + "}"


def _functions(network: Network, name: str, places: _Places, statements: list[str]) -> str:
    form = network.preprocessing
    count, channels = form.height * form.width * form.channels, form.channels
    names = ", ".join(_text(each) for each in network.class_names)
    return f"""
const char *const {name}_class_names[] = {{{names}}};

void {name}_logits(const unsigned char *image, float *logits)
{{
    static const float mean[] = {_floats(form.mean)}, std[] = {_floats(form.std)};
    float *input = (void *)memory.bytes;
    for (long i = 0; i < {count}; ++i)
        input[i] = ((float)image[i] / 255.0f - mean[i % {channels}]) / std[i % {channels}];
{chr(10).join(statements)}
    memcpy(logits, {places.output}, {len(network.class_names)} * sizeof(float));
}}

int {name}_class(const unsigned char *image)
{{
    float logits[{len(network.class_names)}];
    int best = 0;
    {name}_logits(image, logits);
    for (int i = 1; i < {len(network.class_names)}; ++i)
        if (logits[i] > logits[best])
            best = i;
    return best;
}}
"""


def _text(value: str) -> str:
    """A C string; bytes that are not printable ASCII as three octal digits."""
    data = value.encode("utf-8", "surrogatepass")
    return '"' + "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in data) + '"'


def _header(network: Network, name: str, memory: int) -> str:
    form, upper = network.preprocessing, name.upper()
    return f"""/* A network that classifies images of {form.height}x{form.width}x{
        form.channels
    } bytes (rows, pixels, channels{", RGB" if form.channels == 3 else ""}). */
#ifndef {upper}_H
#define {upper}_H

#define {upper}_HEIGHT {form.height}
#define {upper}_WIDTH {form.width}
#define {upper}_CHANNELS {form.channels}
#define {upper}_CLASSES {len(network.class_names)}
/* Bytes of static memory that it works in, besides its constants. */
#define {upper}_MEMORY {memory}

#ifdef __cplusplus
extern "C" {{
#endif

extern const char *const {name}_class_names[];

/* Computes the logits [{upper}_CLASSES] of an image [{upper}_HEIGHT][{upper}_WIDTH][{
        upper
    }_CHANNELS]. One call at a time. */
void {name}_logits(const unsigned char *image, float *logits);

/* Returns the number of the likeliest class. */
int {name}_class(const unsigned char *image);

#ifdef __cplusplus
}}
#endif
#endif
"""
