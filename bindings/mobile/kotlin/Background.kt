// Long calls for coroutines, with the standard library alone.

package org.quotapass

import java.util.concurrent.Executors
import kotlin.coroutines.suspendCoroutine

/** Daemon threads, which end after a minute without work. */
private val THREADS = Executors.newCachedThreadPool { work -> Thread(work, "quotapass").apply { isDaemon = true } }

/**
 * Runs a long call on another thread, without blocking the thread of the coroutine: `inBackground { prepared.post(message,
 * ledger, now, token) }`. Resumes with the result or the exception of the call. The standard library does not tell when a
 * coroutine is cancelled: cancel the call by its token.
 */
suspend fun <T> inBackground(call: () -> T): T = suspendCoroutine { continuation ->
    THREADS.execute { continuation.resumeWith(runCatching(call)) }
}
