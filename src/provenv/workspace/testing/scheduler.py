"""Reaching a Dask scheduler; where that fails, in which words that is told."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import warnings
from typing import Any
from urllib.parse import urlsplit

from provenv.core.errors import NetworkError, ProvenvError, UndecidedError, UsageError

_REACH = 10.0  # seconds for a connection
_ANSWER = 30.0  # seconds for the first answer on it
_CLOSE = 10.0


async def connect(address: str) -> Any:
    """A ``distributed.Client`` of the scheduler at ``address``, for the event loop that runs.

    Raises:
        UsageError: Dask is not installed, or cannot do anything with the address.
        NetworkError: Nobody answers there.
        UndecidedError: Who answers speaks another version of Dask.
    """
    distributed = _distributed()
    _silence()
    client: Any = None
    try:
        await _reach(address)
        with warnings.catch_warnings():  # another version of Python on the other side does no harm
            warnings.simplefilter("ignore")
            client = distributed.Client(
                address, asynchronous=True, timeout=_ANSWER, set_as_default=False, name="provenv"
            )
            await asyncio.wait_for(_started(client), _ANSWER + 2)
    except OSError as error:
        await close(client)
        raise NetworkError(
            f"no Dask scheduler answers at {address}: {_refusal(error)}",
            hint="`dask scheduler` starts one, and tells its address.",
        ) from error
    except (ValueError, TypeError, ImportError, RuntimeError) as error:
        await close(client)
        raise _unusable(address, error, distributed.__version__) from error
    except BaseException:
        await close(client)
        raise
    return client


async def _reach(address: str) -> None:
    """See whether anybody is there at all: Dask would go on trying.

    Raises:
        OSError: Nobody is.
    """
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:  # Dask says what is wrong with it
        return
    if parts.scheme in ("tcp", "tls") and host and port:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), _REACH)
        writer.close()


async def close(client: Any) -> None:
    """Let go of the scheduler, whether or not it is still there."""
    if client is not None:
        with contextlib.suppress(OSError):
            await asyncio.wait_for(client.close(1), _CLOSE)


async def _started(client: Any) -> None:
    await client


def _distributed() -> Any:
    """The package ``distributed``.

    Raises:
        UsageError: It is not installed.
    """
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise UsageError(
            "running cells on other machines needs Dask, which is not installed",
            hint="Install provenv with its extra: `pip install '.[dask]'` in a checkout of it.",
        ) from error


def _refusal(error: OSError) -> str:
    """What the system says, without what asyncio says around it."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or short(error)


def _unusable(address: str, error: Exception, version: str) -> ProvenvError:
    """Why Dask refused an address before it asked anybody, or could not understand the answer."""
    if isinstance(error, ValueError):
        return UsageError(
            f"{address} is no address of a Dask scheduler: {short(error)}",
            hint="It looks like tcp://HOST:8786, or tls://HOST:8786.",
        )
    if "ssl" in str(error).lower():
        return UsageError(
            f"Dask has no certificates for {address}: {short(error)}",
            hint="Its configuration names them: distributed.comm.tls.",
        )
    return UndecidedError(
        f"the scheduler at {address} cannot be talked with: {short(error)}",
        hint=f"Dask wants the same version on all sides; here it is distributed {version}.",
    )


def _silence() -> None:
    """Dask writes to standard error what is told here in other words; each of its loggers has a level."""
    for name in [*logging.root.manager.loggerDict, "distributed"]:
        if name.partition(".")[0] in ("distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def short(error: BaseException) -> str:
    """The first line of what an error says."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
