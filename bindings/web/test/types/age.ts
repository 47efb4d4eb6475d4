// An app with age-encryption: only its types are checked.
import type { Account, EncryptReport, Lists, Membership, Prover, ReportRequest, Room } from "@quotapass/web";
import { encryptReport } from "@quotapass/web/age";

export async function report(prover: Prover, account: Account, membership: Membership, room: Room, lists: Lists, nullifier: string): Promise<ReportRequest> {
  const own: EncryptReport = async (body, recipients) => (recipients.length > 0 ? body : new Uint8Array());
  await prover.report(account, membership, room, nullifier, { reason: "other" }, { lists, encrypt: own });
  // @ts-expect-error: a report is encrypted to bytes
  const wrong: EncryptReport = async () => "text";
  console.log(wrong);
  const body = { reason: "hate", comment: "in the first line", message: "hello" } as const;
  return prover.report(account, membership, room, nullifier, body, { lists, encrypt: encryptReport });
}
