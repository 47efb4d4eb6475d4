"""A program that depends on the wheel: one post, proved and verified. `cargo xtask release wheel --test` runs it."""

import asyncio
import os
import tempfile
from pathlib import Path

import quotapass as q
from quotapass_async import in_background

NOW = 1_800_000_000
REGISTRY = q.Registry(chain_id=31_337, address="0x" + "11" * 20)
POLICY = q.RoomPolicy(
    name="lobby",
    epoch_seconds=600,
    limit_cap=5,
    min_stake=0,
    min_age_days=0,
    root_window=3_600,
    max_clock_skew=30,
)

assert "site-packages" in Path(q.__file__).parts, f"{q.__file__} is not the installed module"
with tempfile.TemporaryDirectory() as folder:
    room = q.Room(REGISTRY, POLICY)
    account, members = q.Identity.generate().account(REGISTRY, 0), q.LocalMembers()
    index = members.append(account.commitment(), 100, 20, NOW // 86_400)
    membership = q.Membership(index, account.commitment())
    membership.sync(members.head(), members)
    prover = q.Prover.load(q.development_keys(), [])
    folders = q.LedgerFolders(ledgers=os.path.join(folder, "ledgers"), witnesses=os.path.join(folder, "witnesses"))
    ledger = q.Ledger.create(account, folders, NOW, q.History.NONE)
    prepared = prover.prepare(account, membership, room, NOW)
    post = asyncio.run(in_background(prepared.post, b"hello", ledger, NOW))
    assert post.left == 4, post.left
    roots = q.Roots(members.head().root, [])
    prover.verifier().verify_post(room, b"hello", post.encoded, roots, NOW)
    try:
        prover.verifier().verify_post(room, b"other", post.encoded, roots, NOW)
    except q.Rejection:
        pass
    else:
        raise AssertionError("a post of another message was accepted")
print("the wheel works")
