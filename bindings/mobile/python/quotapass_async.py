"""Long calls of quotapass for programs with asyncio."""

import asyncio

from quotapass import CancelToken

__all__ = ["in_background"]


async def in_background(call, *arguments, token=None, **named):
    """Runs a long call on another thread and returns its result: `await in_background(prepared.post, b"hello", ledger, now)`.

    `call` must take a token. If the task is cancelled, the call ends before its next step. A message id that was already
    reserved stays used.
    """
    if token is None:
        token = CancelToken()
    try:
        return await asyncio.to_thread(call, *arguments, token=token, **named)
    except asyncio.CancelledError:
        token.cancel()
        raise
