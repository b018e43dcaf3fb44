"""Pictures of arcs as files, and as SVG for a report.

Graphviz's `dot` program draws them if it is installed and works, else matplotlib does. The space's own `diagram` module says
what an arc looks like. Nothing here imports TensorFlow.
"""

import os
from collections.abc import Sequence
from typing import Any

from enas.drawing import dot
from enas.drawing.diagram import Diagram
from enas.errors import UserError
from enas.interfaces import Arc, SearchSpace


def write(space: SearchSpace, arc: Arc, child: Any, output_dir: str, caption: str = "") -> list[str]:
    """Writes each of the space's pictures of an arc as .dot, .png and .svg.

    Args:
      child: the settings of the child that the arc is drawn for.
      output_dir: the folder of the files. It is made if it is missing, and files of these names in it are replaced.
      caption: a line below each picture.

    Returns:
      The paths of the files, sorted.

    Raises:
      UserError: the folder can't be written, or there is neither a working `dot` nor matplotlib. In the latter case the
        .dot files are written.
    """
    pictures = space.diagram.pictures(arc, child)
    texts = {name: dot.dot_text(diagrams, caption) for name, diagrams in pictures.items()}
    try:
        os.makedirs(output_dir, exist_ok=True)
        paths = [_write_file(output_dir, f"{name}.dot", text.encode()) for name, text in texts.items()]
        for name, diagrams in pictures.items():
            for kind in ("png", "svg"):
                picture = dot.render(texts[name], kind) or _by_matplotlib(diagrams, kind, caption)
                paths.append(_write_file(output_dir, f"{name}.{kind}", picture))
    except OSError as error:
        raise UserError(f"--output_dir={output_dir}: can't be written: {error.strerror or error}") from None
    return sorted(paths)


def svg(space: SearchSpace, arc: Arc, child: Any, caption: str = "") -> str:
    """Draws the whole arc by matplotlib and returns SVG text without an XML declaration; see `write`."""
    text = _by_matplotlib(space.diagram.pictures(arc, child)[space.diagram.MAIN], "svg", caption).decode()
    return text[text.index("<svg") :]


def png(space: SearchSpace, arc: Arc, child: Any, caption: str = "") -> bytes:
    """Draws the whole arc by matplotlib and returns a PNG file's bytes; see `write`."""
    return _by_matplotlib(space.diagram.pictures(arc, child)[space.diagram.MAIN], "png", caption)


def _by_matplotlib(diagrams: Sequence[Diagram], kind: str, caption: str) -> bytes:
    try:
        from enas.drawing import draw_matplotlib
    except ImportError:
        raise UserError(
            "no program to draw with (the .dot files are written): apt-get install graphviz, or pip install matplotlib"
        ) from None
    return draw_matplotlib.render(diagrams, kind, caption)


def _write_file(folder: str, name: str, data: bytes) -> str:
    """Writes a file, of which a reader sees the old content or all of the new one, and returns its path."""
    path = os.path.join(folder, name)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    finally:
        # It is still there only if something went wrong.
        if os.path.lexists(temporary):
            os.unlink(temporary)
    return path
