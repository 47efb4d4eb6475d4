// The check of an error, for `assert.rejects` and `assert.throws`.

import assert from "node:assert/strict";

import { QuotapassError } from "@quotapass/web";

/** Checks that an error is of the package's class, has this code, and passes the other checks. */
export const fails = (code, ...also) => (error) => {
  assert.ok(error instanceof QuotapassError, `${error} is of another class`);
  assert.equal(error.code, code, error.message);
  assert.ok(error.message.length > 10);
  for (const check of also) check(error);
  return true;
};
