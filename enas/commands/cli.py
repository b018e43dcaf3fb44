"""What every main runs through: flags in, one-line errors and exit codes out. Nothing here imports TensorFlow."""

import errno
import gc
import inspect
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable

from absl import app, flags

from enas import collector, programs, signals
from enas.commands import environment
from enas.errors import UserError
from enas.interfaces import SearchSpace
from enas.options import older_flags

Main = Callable[[list[str]], int | None]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Of severity "I" only.
_CHATTER = re.compile(rb"WARNING: All log messages before absl::InitializeLog\(\) is called|I0000 ")
_INTERRUPTED = "interrupted; run the same command again to go on"
_EXPECTED = {"int": "an integer", "float": "a number", "bool": "true or false"}


def run(main: Main, argv: list[str] | None = None, usage: str | None = None) -> None:
    """Parses the flags, calls `main(arguments)` and exits the process.

    A user's mistake and a full disk end in one line `error: ...` on stderr and exit code 2, Ctrl-C and SIGTERM in one line
    (the run's own, where it has told how to go on) and exit code 130 or 143, a reader that closed our stdout (`| head`) in
    a quiet exit code 141; every other exception keeps its traceback.

    Args:
      main: takes the arguments left after the flags (a list of str, without the program's name); returns None or an
        exit code.
      argv: the command line with the program's name; None: `sys.argv`.
      usage: what --help says of the program, where {name} stands for what starts the script `name`.py; None: the docstring
        of the script that was started.
    """
    if usage:
        sys.modules["__main__"].__doc__ = _worded(usage)
    signal.signal(signal.SIGTERM, signals.stop_at_once)
    try:
        try:
            app.run(main, argv, flags_parser=_parse)
        finally:
            # Here rather than at interpreter exit, where a closed pipe would print a warning.
            sys.stdout.flush()
    except UserError as error:
        _exit("error: " + _one_line(error), 2)
    except signals.Stopped as stopped:
        # A run inside another one may have told it to a log that is not ours.
        _exit(None if stopped.told_on is sys.stdout else _INTERRUPTED, 128 + stopped.signal)
    except KeyboardInterrupt:
        _exit(_INTERRUPTED, 128 + signal.SIGINT)
    except BrokenPipeError:
        _forget_stdout()
        sys.exit(141)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _forget_stdout()
        _exit(f"error: {error.filename or 'stdout'}: can't be written: {error.strerror}; make room and run it again", 2)


def _worded(usage):
    """A usage text with the programs as the user starts them."""
    started = lambda match: " ".join(programs.command(match[1]))  # noqa: E731
    return re.sub(r"\{(\w+)\}", started, inspect.cleandoc(usage))


def _forget_stdout():
    """Python writes at its end what is left for stdout, and would complain that it can't."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def load_tensorflow(space: SearchSpace | None = None) -> None:
    """Imports TensorFlow, in the environment that suits it and the search space.

    What its C++ side says about drivers that are not there, before it knows any log level, is left out; whatever else it
    prints comes through.
    """
    environment.set_defaults(space.environment if space else None)
    sys.stderr.flush()
    with tempfile.TemporaryFile() as printed:
        stderr = os.dup(2)
        os.dup2(printed.fileno(), 2)
        try:
            with collector.paused():
                import tensorflow.compat.v1  # noqa: F401
            gc.freeze()  # all of it stays: no later collection has to look at it
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            printed.seek(0)
            for line in printed:
                if not _CHATTER.match(line):
                    os.write(2, line)


def no_arguments(arguments: list[str]) -> None:
    """For mains that take flags only.

    Raises:
      UserError: there are arguments; names the first.
    """
    if arguments:
        raise UserError(f"unexpected argument {arguments[0]!r}: this program takes flags only (see --help)")


def _exit(line, code):
    if line:
        print(line, file=sys.stderr)
    sys.exit(code)


def _one_line(error):
    return re.sub(r"\s*[\r\n]\s*", " ", str(error)).strip()


def _parse(argv):
    """Absl's parser, with every flag error as a UserError; returns the arguments without the program's name."""
    try:
        return flags.FLAGS(argv)[1:]
    except SystemExit:
        # Only the help flags exit while parsing. Absl's code for them is 1, though nothing went wrong.
        sys.exit(0)
    except flags.UnrecognizedFlagError as error:
        if error.flagname[:1].isdigit():
            raise UserError(f"-{error.flagname}: negative numbers are not allowed as arguments") from None
        older = older_flags.told(_unknown(argv))
        if older:
            raise UserError(older) from None
        raise UserError(str(error).removesuffix(" ?") + " (see --help)") from None
    except flags.IllegalFlagValueError as error:
        raise UserError(_illegal_value(error)) from None
    except flags.Error as error:
        raise UserError(str(error).removeprefix("ERROR:: ")) from None
    except UnicodeDecodeError:
        raise UserError("--flagfile: not a text file") from None


def _unknown(argv):
    """The flags of a command line that the program has not, without dashes in front."""
    before = argv[1 : argv.index("--")] if "--" in argv else argv[1:]
    names = [match[1] for word in before if (match := re.match(r"--?([A-Za-z][\w-]*)", word))]
    return [name for name in names if name not in flags.FLAGS and name.removeprefix("no") not in flags.FLAGS]


def _illegal_value(error):
    """Words absl's `flag --name=value: reason` as the config's own errors: the value found, then what was expected."""
    found = str(error).removeprefix("flag ").removesuffix(f": {error.__context__}")
    name = re.match(r"--(\w+)=", found)
    flag = flags.FLAGS[name[1]] if name and name[1] in flags.FLAGS else None
    if flag is None or error.__context__ is None:
        return str(error)
    if isinstance(flag, flags.EnumFlag):
        return f"{found}: expected one of {', '.join(flag.parser.enum_values)}"
    low, high = (getattr(flag.parser, bound, None) for bound in ("lower_bound", "upper_bound"))
    limits = "" if low is None else f", {low} to {high}"
    return f"{found}: expected {_EXPECTED.get(flag.flag_type(), flag.flag_type())}{limits}"
