/**
 * Reports that moderators alone can read, with the package [`age-encryption`](https://www.npmjs.com/package/age-encryption),
 * which the app installs itself.
 *
 * @packageDocumentation
 */

import { Encrypter } from "age-encryption";

import type { EncryptReport } from "./types.js";

/**
 * Encrypts the body of a report to the recipients that the room's policy names: `encrypt` of `Prover.report`. It fails if
 * one of them is not a recipient of age.
 */
export const encryptReport: EncryptReport = async (body, recipients) => {
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  return encrypter.encrypt(body);
};
