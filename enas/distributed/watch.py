"""Whether the other workers are still there: TensorFlow's own status call, again and again. It imports no TensorFlow."""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

import grpc

# What every TensorFlow server answers, by its place in worker_service.proto; the request has no content.
_STATUS = "/tensorflow.WorkerService/GetStatus"
EVERY = 1.0  # seconds between two questions to a worker
# Seconds that TensorFlow has to fail by itself once a worker is gone. It does so as soon as a connection breaks.
_GRACE = 10.0


def status(host: str, timeout: float, wait: bool = False) -> bytes | None:
    """Asks the worker at an address for its status; returns the answer, or None where there was none.

    Args:
      host: HOST:PORT.
      timeout: seconds to wait for the answer.
      wait: whether to wait where nobody listens, too.
    """
    # A channel of its own: a broken one waits longer and longer before it tries again.
    with grpc.insecure_channel(host, [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            answer: bytes = channel.unary_unary(_STATUS)(b"", timeout=timeout, wait_for_ready=wait)
            return answer
        except grpc.RpcError:
            return None


class Watch:
    """Asks the other workers, in a thread of its own, and ends the process where one is lost and nothing else does.

    Args:
      hosts: {index: address} of the other workers.
      timeout: seconds without an answer after which a worker counts as lost.
      ended: takes the index of a worker that is lost; says what there is to say before the process ends.
    """

    def __init__(self, hosts: dict[int, str], timeout: float, ended: Callable[[int], None]) -> None:
        self.hosts, self.timeout, self._ended = hosts, timeout, ended
        self._over = threading.Event()
        self._heard = dict.fromkeys(hosts, time.monotonic())
        self.lost: int | None = None
        self._threads = [threading.Thread(target=self._ask, args=[index], daemon=True) for index in hosts]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Asks no more."""
        self._over.set()

    def wait_for_lost(self) -> int | None:
        """Returns the index of a worker that is lost, for which it waits a few seconds; None: all of them answer."""
        until = time.monotonic() + 3 * EVERY + _GRACE / 2
        while self.lost is None and time.monotonic() < until:
            time.sleep(0.1)
        return self.lost

    def _ask(self, index):
        """Asks one worker until it is lost."""
        host, refused = self.hosts[index], 0
        while not self._over.wait(EVERY):
            before = time.monotonic()
            answered = status(host, self.timeout) is not None
            # Nobody listens there any more, or the question had all its time.
            refused = 0 if answered else refused + 1
            if refused > 2 or (refused and time.monotonic() - before >= self.timeout):
                break
        else:
            return
        if self._over.is_set():
            return
        if self.lost is None:
            self.lost = index
        # The main thread may be in a call that never returns, as the connection to a stopped process is not broken.
        if not self._over.wait(_GRACE):
            self._ended(self.lost)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(2)


def missing(hosts: Sequence[str], timeout: float) -> list[int]:
    """Waits for all workers to answer; returns the indices of those that did not within `timeout` seconds."""
    until = time.monotonic() + timeout
    silent = list(range(len(hosts)))
    while silent:
        silent = [index for index in silent if status(hosts[index], 2.0) is None]
        if not silent or time.monotonic() >= until:
            break
        time.sleep(0.2)
    return silent
