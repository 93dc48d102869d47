"""Starting Ray quietly, once, and leaving a cluster that somebody else started alone."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from ..schemas.errors import MotionpipeError
from .options import RunOptions

_ANSWER_S = 5.0
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "1",
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_WORKER_STRUCTURED_LOGGING": "0",
}


@contextmanager
def ray_session(options: RunOptions) -> Iterator[None]:
    """A Ray connection for the block: the one that is open, else `options.address`, RAY_ADDRESS or a local start."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield
        return
    _require_answer(options.address or os.environ.get("RAY_ADDRESS", ""))
    joins = options.address is not None or "RAY_ADDRESS" in os.environ
    # "local": a cluster that happens to run on this machine is not ours to use unless it is named
    start = {"address": "local", "num_cpus": max(options.workers, os.cpu_count() or 1), "include_dashboard": False}
    where = {"address": options.address} if joins else start
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **where)
    except ConnectionError as error:
        where_asked = options.address or os.environ["RAY_ADDRESS"]
        raise MotionpipeError(
            f"no Ray cluster lets this command in at {where_asked}; a cluster with tokens wants RAY_AUTH_MODE=token "
            "and RAY_AUTH_TOKEN"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Raise one clear error where nothing listens at host:port; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
        except OSError as error:
            raise MotionpipeError(f"no Ray cluster answers at {address} ({error})") from error
