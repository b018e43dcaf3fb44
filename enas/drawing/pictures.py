"""Pictures of arcs as files, and as SVG for a report.

They are drawn by Graphviz's `dot` program where it is installed and works, else by matplotlib. What an arc of a space looks
like is the space's own `diagram` module. Nothing here imports TensorFlow.
"""

import os
from typing import Any

from enas.drawing import dot
from enas.errors import UserError
from enas.interfaces import Arc, SearchSpace


def write(space: SearchSpace, arc: Arc, child: Any, output_dir: str, caption: str = "") -> list[str]:
    """Writes each of the space's pictures of an arc as .dot, .png and .svg.

    Args:
      child: the `ChildConfig` the arc is drawn for.
      output_dir: folder the files go into; made if missing, files of these names in it are replaced.
      caption: a line below each picture.

    Returns:
      The paths of the files, sorted.

    Raises:
      UserError: the folder can't be written, or (after the .dot files are written) there is neither a working `dot`
        nor matplotlib.
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
    """The picture of the whole arc as SVG text without an XML declaration, drawn by matplotlib; see `write`."""
    text = _by_matplotlib(space.diagram.pictures(arc, child)[space.diagram.MAIN], "svg", caption).decode()
    return text[text.index("<svg") :]


def _by_matplotlib(diagrams, kind, caption):
    try:
        from enas.drawing import draw_matplotlib
    except ImportError:
        raise UserError(
            "no program to draw with (the .dot files are written): apt-get install graphviz, or pip install matplotlib"
        ) from None
    return draw_matplotlib.render(diagrams, kind, caption)


def _write_file(folder, name, data):
    """Writes a file so that a reader sees the old one or the whole new one; returns its path."""
    path = os.path.join(folder, name)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    finally:
        # Still there only if something went wrong.
        if os.path.lexists(temporary):
            os.unlink(temporary)
    return path
