"""Calls that block, in threads of their own.

A thread cannot be ended. One that hangs is left behind, and does not keep the process from ending: its turn is over
at its deadline, and the run goes on.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["in_thread"]

T = TypeVar("T")


async def in_thread(call: Callable[[], T]) -> T:
    """What `call` returns or raises; SystemExit comes as RuntimeError."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)  # type: ignore[arg-type]
        else:
            done.set_exception(error)

    def work() -> None:
        result, problem = None, None
        try:
            result = context.run(call)
        except Exception as error:
            # A future cannot hold a StopIteration.
            problem = RuntimeError("StopIteration") if isinstance(error, StopIteration) else error
        except BaseException as error:
            problem = RuntimeError(f"{type(error).__name__}: {error}")
        try:
            loop.call_soon_threadsafe(deliver, result, problem)
        except RuntimeError:  # nobody waits any more: the run is over
            return

    threading.Thread(target=work, name="assay-model", daemon=True).start()
    return await done
