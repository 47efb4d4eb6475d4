// Long calls for Swift's concurrency. The tests of this repository parse this file, but do not compile or run it.

import Foundation

/// Runs a long call on another thread: `try await inBackground { try prepared.post(message: message, ledger: ledger, now: now,
/// token: $0) }`. If the task is cancelled, the call ends before its next step. A message id that was already reserved stays
/// used.
public func inBackground<T: Sendable>(_ call: @escaping @Sendable (CancelToken) throws -> T) async throws -> T {
    let token = CancelToken()
    return try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global(qos: .userInitiated).async {
                continuation.resume(with: Result { try call(token) })
            }
        }
    } onCancel: {
        token.cancel()
    }
}
