"""Reaching a Dask scheduler; where that fails, in which words that is told."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import warnings
from typing import Any

from provenv.core.errors import NetworkError, ProvenvError, UndecidedError, UsageError

_CONNECT = 10.0  # seconds for the first answer


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
        with warnings.catch_warnings():  # another version of Python on the other side does no harm
            warnings.simplefilter("ignore")
            client = distributed.Client(
                address, asynchronous=True, timeout=_CONNECT, set_as_default=False, name="provenv"
            )
            await asyncio.wait_for(_started(client), _CONNECT + 2)
    except OSError as error:
        await close(client)
        raise NetworkError(
            f"no Dask scheduler answers at {address}: {short(error)}",
            hint="`dask scheduler` starts one, and tells its address.",
        ) from error
    except (ValueError, TypeError, ImportError, RuntimeError) as error:
        await close(client)
        raise _unusable(address, error, distributed.__version__) from error
    except BaseException:
        await close(client)
        raise
    return client


async def close(client: Any) -> None:
    """Let go of the scheduler, whether or not it is still there."""
    if client is not None:
        with contextlib.suppress(OSError):
            await asyncio.wait_for(client.close(1), _CONNECT)


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
            hint="pip install 'provenv[dask]'",
        ) from error


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
