"""An app's use of quotapass, in Python. `cargo xtask mobile test` runs it."""

import asyncio
import contextlib
import hashlib
import io
import json
import os
import tempfile
import threading
import unittest
from pathlib import Path

import quotapass as q
from quotapass_async import in_background

NOW = 1_800_000_000
EPOCH = 600
DAY = NOW // 86_400
REGISTRY = q.Registry(chain_id=31_337, address="0x" + "11" * 20)
# The test vector of BIP-39 with entropy of zeros.
WORDS = "abandon " * 23 + "art"

# A moderation log in some states, and the development keys of its rooms. `cargo xtask mobile test` makes them.
FIXTURE = Path(os.environ["FIXTURE"])
MODERATION = json.loads((FIXTURE / "fixture.json").read_text())["moderation"]

KEYS = q.development_keys()
PROVER = q.Prover.load(KEYS, [])
VERIFIER = PROVER.verifier()


def policy(**changes):
    values = dict(
        name="lobby",
        epoch_seconds=EPOCH,
        limit_cap=3,
        min_stake=10,
        min_age_days=2,
        root_window=3_600,
        max_clock_skew=30,
    )
    return q.RoomPolicy(**{**values, **changes})


ROOM = q.Room(REGISTRY, policy())


class Asked(q.MembersSource):
    """A source that the app implements, and its requests."""

    def __init__(self, members):
        self.members, self.asked = members, []

    def upper_nodes(self):
        self.asked.append("upper")
        return self.members.upper_nodes()

    def bucket(self, number):
        self.asked.append(number)
        return self.members.bucket(number)


class Steps(q.ProgressListener):
    """Records steps, and cancels at one of them."""

    def __init__(self, cancel_at=None):
        self.heard, self.cancel_at = [], cancel_at
        self.token = q.CancelToken(self)

    def begins(self, step):
        self.heard.append(step)
        if step == self.cancel_at:
            self.token.cancel()


class World(unittest.TestCase):
    """A member among others, with a ledger."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folders = q.LedgerFolders(
            ledgers=str(Path(folder.name) / "ledgers"), witnesses=str(Path(folder.name) / "witnesses")
        )
        self.identity = q.Identity.generate()
        self.account = self.identity.account(REGISTRY, 0)
        self.members = q.LocalMembers()
        self.join()
        self.index = self.members.append(self.account.commitment(), 100, 20, DAY - 10)
        self.join()
        self.membership = q.Membership(self.index, self.account.commitment())
        self.membership.sync(self.members.head(), self.members)
        self.roots = q.Roots(self.members.head().root, [])

    def join(self):
        """Another member deposits."""
        stranger = q.Identity.generate().account(REGISTRY, 0)
        return self.members.append(stranger.commitment(), 100, 20, DAY - 10)

    def ledger(self):
        ledger = q.Ledger.create(self.account, self.folders, NOW, q.History.NONE)
        self.addCleanup(ledger.release)
        return ledger

    def prepared(self):
        return PROVER.prepare(self.account, self.membership, ROOM, NOW)

    def rejected(self, variant, verdict, call, *arguments):
        with self.assertRaises(variant) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.verdict, verdict)
        self.assertTrue(caught.exception.reason.startswith(verdict + ": "))
        self.assertEqual(str(caught.exception), caught.exception.reason)
        return caught.exception


class Identities(unittest.TestCase):
    def test_a_mnemonic_restores_the_identity(self):
        identity = q.Identity.generate()
        words = identity.mnemonic()
        self.assertEqual(len(words.split()), 24)
        again = q.Identity.from_mnemonic("  " + words.upper().replace(" ", "  "))
        for number in (0, 7):
            commitment = identity.account(REGISTRY, number).commitment()
            self.assertEqual(again.account(REGISTRY, number).commitment(), commitment)
            self.assertRegex(commitment, "^0x[0-9a-f]{64}$")

    def test_accounts_and_registries_differ(self):
        identity = q.Identity.from_mnemonic(WORDS)
        other = q.Registry(chain_id=1, address=REGISTRY.address)
        commitments = {identity.account(r, n).commitment() for r in (REGISTRY, other) for n in (0, 1)}
        self.assertEqual(len(commitments), 4)
        account = identity.account(REGISTRY, 1)
        self.assertEqual((account.registry(), account.number()), (REGISTRY, 1))

    def test_wrong_words_are_named(self):
        for words in ("", "abandon art", WORDS.replace("art", "able"), WORDS.replace("art", "arx")):
            with self.assertRaises(q.QuotapassError.Mnemonic):
                q.Identity.from_mnemonic(words)

    def test_a_wiped_handle_is_closed(self):
        identity = q.Identity.generate()
        account = identity.account(REGISTRY, 0)
        identity.wipe()
        identity.wipe()
        for call in (identity.mnemonic, lambda: identity.account(REGISTRY, 0)):
            with self.assertRaises(q.QuotapassError.Closed):
                call()
        self.assertTrue(account.commitment())

    def test_addresses_are_checked(self):
        mistyped = "0x5FbDB2315678afecb367f032d93F642f64180aa4"
        for address in ("", "0x12", "0x" + "gg" * 20, "11" * 21, "é" * 20, mistyped):
            with self.assertRaises(q.QuotapassError.BadInput) as caught:
                q.Identity.generate().account(q.Registry(chain_id=1, address=address), 0)
            self.assertEqual(caught.exception.argument, "registry.address")


class Rooms(unittest.TestCase):
    def test_a_relays_policy_gives_the_room(self):
        json = """{"now": 1, "registry": {"chain_id": 31337, "address": "%s"}, "development_keys": true,
            "unlisted": "reject", "scopes": [{"name": "lobby", "scope": "%s", "epoch_seconds": 600, "limit_cap": 3,
            "min_stake": 10, "min_age_days": 2, "root_window": 3600, "max_clock_skew": 30, "epoch": 0,
            "epoch_ends": 600, "since_max": 0}]}"""
        room = q.Room.from_policy_json(json % (REGISTRY.address, ROOM.scope()), "lobby")
        self.assertEqual(room.policy(), ROOM.policy())
        self.assertEqual((room.name(), room.registry(), room.scope()), ("lobby", REGISTRY, ROOM.scope()))
        bad = [(json % (REGISTRY.address, "0x" + "00" * 32), "lobby"), (json % (REGISTRY.address, ROOM.scope()), "hall")]
        for text, name in bad + [("", "lobby"), ("{}", "lobby"), ("[" * 10_000, "lobby")]:
            with self.assertRaises(q.QuotapassError.BadInput):
                q.Room.from_policy_json(text, name)

    def test_a_policy_of_ones_own_is_refused(self):
        dated = q.Room(REGISTRY, policy(version=4, holds_from=NOW))
        pins = [ROOM.policy_hash(), dated.policy_hash()]
        self.assertEqual(len(set(pins)), 2)
        ROOM.require_pinned(pins)
        ROOM.require_same(q.Room(REGISTRY, policy()))
        for changes in ({"min_stake": 11}, {"limit_cap": 4}, {"version": 5}, {"holds_from": NOW + 1}):
            tagged = q.Room(REGISTRY, policy(**{"version": 4, "holds_from": NOW, **changes}))
            for refuse in (lambda: tagged.require_pinned(pins), lambda: tagged.require_same(dated)):
                with self.assertRaises(q.QuotapassError.Policy):
                    refuse()
        with self.assertRaises(q.QuotapassError.BadInput):
            ROOM.require_pinned(["12"])

    def test_epochs_are_the_floor_of_time(self):
        self.assertEqual(ROOM.epoch_at(NOW + 599), q.EpochTimes(number=NOW // 600, begins=NOW, ends=NOW + 600))

    def test_values_that_do_not_go_together_are_refused(self):
        for changes in ({"name": ""}, {"name": "x" * 256}, {"epoch_seconds": 0}, {"limit_cap": 0}, {"max_clock_skew": 601}):
            with self.assertRaises(q.QuotapassError.BadInput):
                q.Room(REGISTRY, policy(**changes))


class Memberships(World):
    def test_a_source_of_the_app_is_asked_and_checked(self):
        source, steps = Asked(self.members), Steps()
        membership = q.Membership(self.index, self.account.commitment())
        self.assertIsNone(membership.root())
        with self.assertRaises(q.QuotapassError.NeverSynced):
            membership.terms()
        report = membership.sync(self.members.head(), source, steps.token)
        self.assertEqual((report.asked, report.hidden_among, source.asked), ([0], 3, ["upper", 0]))
        self.assertEqual(steps.heard, [q.Step.FETCH_UPPER_NODES, q.Step.FETCH_BUCKET])
        self.assertEqual(membership.root(), self.members.head().root)
        self.assertEqual(membership.terms(), q.MemberTerms(stake=100, message_limit=20, since=DAY - 10))
        self.assertEqual(membership.sync(self.members.head(), source).asked, [])
        self.assertEqual(len(source.asked), 2, "nothing is asked while the root is the same")

    def test_what_the_app_fetched_itself_serves_too(self):
        membership = q.Membership(self.index, self.account.commitment())
        upper = self.members.upper_nodes()
        with self.assertRaises(q.QuotapassError.BucketsNeeded) as caught:
            membership.sync_fetched(self.members.head(), upper, [])
        self.assertEqual(caught.exception.numbers, [0])
        buckets = [self.members.bucket(number) for number in caught.exception.numbers]
        self.assertEqual(membership.sync_fetched(self.members.head(), upper, buckets).asked, [0])

    def test_a_cache_is_read_back_for_the_same_member_alone(self):
        cache, commitment = self.membership.to_bytes(), self.account.commitment()
        again = q.Membership.from_bytes(cache, self.index, commitment)
        self.assertEqual((again.root(), again.index()), (self.membership.root(), self.index))
        damaged = cache[:-1] + bytes([cache[-1] ^ 1])
        for bad, index in ((damaged, self.index), (b"", self.index), (cache, self.index + 1)):
            with self.assertRaises(q.QuotapassError.BadInput):
                q.Membership.from_bytes(bad, index, commitment)

    def test_another_tree_than_the_chains_is_refused(self):
        root = self.membership.root()
        head = self.members.head()
        self.join()
        with self.assertRaises(q.QuotapassError.NotTheChains):
            self.membership.sync(q.ChainHead(root=head.root, member_count=99), self.members)
        self.assertEqual(self.membership.root(), root, "what was known is kept")

    def test_members_who_are_not_there_are_told_why(self):
        stranger = q.Identity.generate().account(REGISTRY, 0).commitment()
        not_yet = q.Membership(3, stranger)
        with self.assertRaises(q.QuotapassError.NotYet):
            not_yet.sync(self.members.head(), self.members)
        other = q.Membership(self.index, stranger)
        other.sync(self.members.head(), self.members)
        with self.assertRaises(q.QuotapassError.OtherMember):
            other.terms()
        self.members.remove(self.index)
        self.membership.sync(self.members.head(), self.members)
        with self.assertRaises(q.QuotapassError.Removed):
            self.membership.terms()

    def test_failures_of_a_source_are_typed(self):
        class Broken(q.MembersSource):
            def __init__(self, error, bucket=None):
                self.error = error

            def upper_nodes(self):
                raise self.error

            def bucket(self, number):
                raise self.error

        class Garbage(q.MembersSource):
            def upper_nodes(self):
                return b"\x01" * 100_000

            def bucket(self, number):
                return b""

        errors = (q.SourceFailure.NotFound(), q.SourceFailure.Unreachable("no network"), ValueError("not expected"))
        for source in [Broken(error) for error in errors] + [Garbage()]:
            membership = q.Membership(self.index, self.account.commitment())
            with self.assertRaises(q.QuotapassError.Source):
                membership.sync(self.members.head(), source)

    def test_a_sync_can_be_cancelled(self):
        steps = Steps(q.Step.FETCH_BUCKET)
        membership = q.Membership(self.index, self.account.commitment())
        with self.assertRaises(q.QuotapassError.Cancelled):
            membership.sync(self.members.head(), self.members, steps.token)
        self.assertIsNone(membership.root())

    def test_bad_values_are_refused(self):
        for commitment in ("", "0x" + "ff" * 32, "zz" * 32):
            with self.assertRaises(q.QuotapassError.BadInput):
                q.Membership(0, commitment)
        with self.assertRaises(q.QuotapassError.BadInput):
            self.membership.sync(q.ChainHead(root="0x1", member_count=1), self.members)
        with self.assertRaises(q.QuotapassError.BadInput):
            self.membership.sync_fetched(self.members.head(), b"upper", [])
        with self.assertRaises(q.QuotapassError.BadInput):
            self.members.append(self.account.commitment(), 1, 0, 0)


class Keys(World):
    def test_development_keys_say_so(self):
        self.assertTrue(PROVER.is_development())
        self.assertTrue(VERIFIER.is_development())

    def test_keys_that_are_not_trusted_are_refused(self):
        def id_of(file):
            # The id is the hash of all that precedes the checksum.
            return hashlib.sha256(file[:-32]).hexdigest()

        zkey = b"zkey" + b"\xff" * 1_000
        damaged = KEYS.post[:5_000] + bytes([KEYS.post[5_000] ^ 1]) + KEYS.post[5_001:]
        cases = [
            (KEYS.post, ["00" * 32]),
            # Development keys are never trusted by their id.
            (KEYS.post, [id_of(KEYS.post)]),
            (damaged, []),
            (KEYS.badge, []),
            (b"", []),
            # Apps do not load the `.zkey` files of a ceremony.
            (zkey, []),
            (zkey, [id_of(zkey)]),
            (KEYS.post[:1_000], []),
        ]
        for post, trusted in cases:
            with self.assertRaises(q.QuotapassError.Key):
                q.Prover.load(q.KeyFiles(post=post), trusted)
        with self.assertRaises(q.QuotapassError.BadInput):
            q.Prover.load(KEYS, ["not a hash"])

    def test_loading_can_be_cancelled(self):
        token = q.CancelToken()
        token.cancel()
        self.assertTrue(token.is_cancelled())
        for call in (lambda: q.Prover.load(KEYS, [], token), lambda: q.development_keys(token), lambda: PROVER.build_tables(token)):
            with self.assertRaises(q.QuotapassError.Cancelled):
                call()

    def test_tables_are_of_one_key(self):
        prover = q.Prover.load(KEYS, [])
        tables = prover.build_tables()
        prover.use_tables(tables)
        with self.assertRaises(q.QuotapassError.Key):
            prover.use_tables(tables[:-1])
        prepared = prover.prepare(self.account, self.membership, ROOM, NOW)
        post = prepared.post(b"with tables", self.ledger(), NOW)
        VERIFIER.verify_post(ROOM, b"with tables", post.encoded, self.roots, NOW)


class Posts(World):
    def test_posts_up_to_the_limit_are_accepted_and_one_more_is_refused(self):
        ledger, prepared = self.ledger(), self.prepared()
        nullifiers = set()
        for left in (2, 1, 0):
            message = f"message {left}".encode()
            post = prepared.post(message, ledger, NOW + 5)
            self.assertEqual((post.left, post.epoch.begins, len(post.encoded)), (left, NOW, 246))
            self.assertEqual(q.pass_from_text(post.text), post.encoded)
            facts = VERIFIER.verify_post(ROOM, message, post.encoded, self.roots, NOW + 5)
            self.assertEqual((facts.root, facts.epoch, facts.limit_cap), (self.members.head().root, NOW // EPOCH, 3))
            self.assertEqual((facts.min_stake, facts.since_max), (10, DAY - 2))
            nullifiers.add(facts.nullifier)
        self.assertEqual(len(nullifiers), 3)
        with self.assertRaises(q.QuotapassError.QuotaUsed) as caught:
            prepared.post(b"one too many", ledger, NOW + 6)
        self.assertEqual(caught.exception.next_begins, NOW + EPOCH)
        self.assertEqual(prepared.post(b"next epoch", ledger, NOW + EPOCH).left, 2)
        with self.assertRaises(q.QuotapassError.EpochLeft):
            prepared.post(b"the clock went back", ledger, NOW)

    def test_the_ledger_survives_reopening(self):
        ledger, prepared = self.ledger(), self.prepared()
        prepared.post(b"one", ledger, NOW)
        with self.assertRaises(q.QuotapassError.LedgerInUse):
            q.Ledger.open(self.account, self.folders)
        ledger.release()
        with self.assertRaises(q.QuotapassError.Closed):
            prepared.post(b"two", ledger, NOW)
        again = q.Ledger.open(self.account, self.folders)
        self.addCleanup(again.release)
        status = again.quota_left(ROOM, self.membership, NOW)
        self.assertEqual((status.used, status.left, status.next_begins), (1, 2, NOW + EPOCH))
        self.assertIsNone(again.gap())
        self.assertEqual(prepared.post(b"two", again, NOW).left, 1)
        again.release()
        with self.assertRaises(q.QuotapassError.LedgerExists):
            q.Ledger.create(self.account, self.folders, NOW, q.History.NONE)

    def test_a_ledger_that_may_be_old_waits_until_the_next_epoch_is_over(self):
        ledger = self.ledger()
        ledger.release()
        for witness in Path(self.folders.witnesses).glob("*.witness"):
            witness.unlink()
        again = q.Ledger.open(self.account, self.folders)
        self.addCleanup(again.release)
        self.assertIn("witness", again.gap())
        with self.assertRaises(q.QuotapassError.MayBeStale) as caught:
            self.prepared().post(b"too early", again, NOW)
        self.assertEqual(caught.exception.resumes_at, NOW + 2 * EPOCH)
        again.confirm_current()
        self.prepared().post(b"confirmed", again, NOW)

    def test_an_unknown_history_leaves_two_epochs_out(self):
        with self.assertRaises(q.QuotapassError.LedgerMissing):
            q.Ledger.open(self.account, self.folders)
        ledger = q.Ledger.create(self.account, self.folders, NOW, q.History.UNKNOWN)
        self.addCleanup(ledger.release)
        for epoch, left in enumerate([0, 0, 3]):
            self.assertEqual(ledger.quota_left(ROOM, self.membership, NOW + epoch * EPOCH).left, left)

    def test_devices_share_the_ids(self):
        with self.assertRaises(q.QuotapassError.BadInput):
            q.Ledger.create(self.account, self.folders, NOW, q.History.NONE, q.Device(number=2, of=2))
        second = q.Device(number=1, of=2)
        ledger = q.Ledger.create(self.account, self.folders, NOW, q.History.NONE, second)
        self.assertEqual(ledger.quota_left(ROOM, self.membership, NOW).left, 1)
        ledger.release()
        with self.assertRaises(q.QuotapassError.Ledger):
            q.Ledger.open(self.account, self.folders)

    def test_cancelling_before_the_reservation_changes_nothing_and_after_it_uses_the_id(self):
        ledger, prepared = self.ledger(), self.prepared()
        for step, used in ((q.Step.RESERVE, 0), (q.Step.PROVE, 1)):
            steps = Steps(step)
            with self.assertRaises(q.QuotapassError.Cancelled):
                prepared.post(b"cancelled", ledger, NOW, steps.token)
            self.assertEqual(steps.heard[-1], step)
            self.assertEqual(ledger.quota_left(ROOM, self.membership, NOW).used, used)
        post = prepared.post(b"sent", ledger, NOW)
        self.assertEqual(post.left, 1)

    def test_a_new_day_is_prepared_for(self):
        ledger, prepared = self.ledger(), self.prepared()
        # A day after the deposit, it was too young.
        early, steps = NOW - 9 * 86_400, Steps()
        with self.assertRaises(q.QuotapassError.Ineligible):
            prepared.post(b"too early", ledger, early, steps.token)
        self.assertEqual(steps.heard, [q.Step.PREPARE])
        self.assertEqual(ledger.quota_left(ROOM, self.membership, early).used, 0, "no id was used")
        tomorrow = NOW + 86_400
        for expected in ([q.Step.PREPARE, q.Step.RESERVE, q.Step.PROVE], [q.Step.RESERVE, q.Step.PROVE]):
            steps = Steps()
            post = prepared.post(b"tomorrow", ledger, tomorrow, steps.token)
            self.assertEqual(steps.heard, expected)
            VERIFIER.verify_post(ROOM, b"tomorrow", post.encoded, self.roots, tomorrow)

    def test_a_room_that_asks_for_more_is_not_prepared_for(self):
        for changes in ({"min_stake": 101}, {"min_age_days": 11}):
            with self.assertRaises(q.QuotapassError.Ineligible):
                PROVER.prepare(self.account, self.membership, q.Room(REGISTRY, policy(**changes)), NOW)

    def test_a_prepared_prover_follows_the_tree(self):
        ledger, prepared = self.ledger(), self.prepared()
        self.join()
        self.membership.sync(self.members.head(), self.members)
        prepared.update(self.membership)
        root = self.members.head().root
        self.assertEqual(prepared.root(), root)
        post = prepared.post(b"on the new root", ledger, NOW)
        with self.assertRaises(q.Rejection.UnknownRoot):
            VERIFIER.verify_post(ROOM, b"on the new root", post.encoded, self.roots, NOW)
        self.roots.advance(root, NOW)
        VERIFIER.verify_post(ROOM, b"on the new root", post.encoded, self.roots, NOW)

    def test_what_does_not_belong_together_is_refused(self):
        ledger, prepared = self.ledger(), self.prepared()
        other = self.identity.account(REGISTRY, 1)
        elsewhere = q.Room(q.Registry(chain_id=1, address=REGISTRY.address), policy())
        other_ledger = q.Ledger.create(other, self.folders, NOW, q.History.NONE)
        self.addCleanup(other_ledger.release)
        index = self.members.append(other.commitment(), 100, 20, DAY - 10)
        other_membership = q.Membership(index, other.commitment())
        other_membership.sync(self.members.head(), self.members)
        calls = (
            lambda: PROVER.prepare(other, self.membership, ROOM, NOW),
            lambda: PROVER.prepare(self.account, self.membership, elsewhere, NOW),
            lambda: PROVER.prepare(self.account, other_membership, ROOM, NOW),
            lambda: PROVER.badge(other, self.membership, ROOM, b"key", NOW),
            lambda: PROVER.badge(self.account, other_membership, ROOM, b"key", NOW),
            lambda: PROVER.badge(self.account, self.membership, elsewhere, b"key", NOW),
            lambda: prepared.update(other_membership),
            lambda: prepared.post(b"m", other_ledger, NOW),
            lambda: other_ledger.quota_left(ROOM, self.membership, NOW),
            lambda: ledger.quota_left(elsewhere, self.membership, NOW),
        )
        for call in calls:
            with self.assertRaises(q.QuotapassError.Mismatch):
                call()
        self.assertEqual(ledger.quota_left(ROOM, self.membership, NOW).used, 0)
        with self.assertRaises(q.QuotapassError.Policy):
            elsewhere.require_same(ROOM)

    def test_wiped_handles_are_closed(self):
        ledger, prepared = self.ledger(), self.prepared()
        self.account.wipe()
        with self.assertRaises(q.QuotapassError.Closed):
            self.prepared()
        prepared.post(b"it has its own copy", ledger, NOW)
        prepared.wipe()
        for call in (prepared.root, lambda: prepared.post(b"m", ledger, NOW), lambda: prepared.update(self.membership)):
            with self.assertRaises(q.QuotapassError.Closed):
                call()

    def test_threads_share_a_ledger_and_never_an_id(self):
        ledger, prepared, posts = self.ledger(), self.prepared(), []

        def work(name):
            try:
                posts.append((name, prepared.post(name, ledger, NOW)))
            except q.QuotapassError.QuotaUsed:
                pass

        threads = [threading.Thread(target=work, args=(f"message {n}".encode(),)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        verified = [VERIFIER.verify_post(ROOM, m, p.encoded, self.roots, NOW).nullifier for m, p in posts]
        self.assertEqual((len(verified), len(set(verified))), (3, 3))


class Verdicts(World):
    def setUp(self):
        super().setUp()
        self.message = b"hello"
        self.sent = self.prepared().post(self.message, self.ledger(), NOW).encoded

    def verify(self, room=ROOM, message=None, sent=None, roots=None, now=NOW):
        return VERIFIER.verify_post(room, message or self.message, sent or self.sent, roots or self.roots, now)

    def test_each_rejection_has_its_verdict(self):
        head = self.members.head().root
        other = "0x" + "00" * 31 + "01"
        stale = q.Roots(other, [q.SupersededRoot(root=head, superseded_at=NOW - 3_601)])
        recent = q.Roots(other, [q.SupersededRoot(root=head, superseded_at=NOW - 3_600)])
        self.verify(roots=recent)
        self.rejected(q.Rejection.InvalidProof, "invalid_proof", self.verify, ROOM, b"another message")
        self.rejected(q.Rejection.UnknownRoot, "unknown_root", self.verify, ROOM, None, None, q.Roots(other, []))
        error = self.rejected(q.Rejection.StaleRoot, "stale_root", self.verify, ROOM, None, None, stale)
        self.assertEqual((error.superseded_at, error.gossip), (NOW - 3_601, q.Gossip.IGNORE))
        late = lambda: self.verify(now=NOW + EPOCH + 30)
        error = self.rejected(q.Rejection.EpochOutOfRange, "epoch_out_of_range", late)
        self.assertEqual((error.begins, error.ends), (NOW, NOW + EPOCH))
        self.verify(now=NOW + EPOCH + 29)
        for changes, field in (({"min_stake": 9}, "min_stake"), ({"limit_cap": 4}, "limit_cap"), ({"min_age_days": 3}, "since_max")):
            room = q.Room(REGISTRY, policy(**changes))
            error = self.rejected(q.Rejection.RequirementMismatch, "requirement_mismatch", self.verify, room)
            self.assertEqual((error.field, error.gossip), (field, q.Gossip.REJECT))
        hall = q.Room(REGISTRY, policy(name="hall"))
        self.rejected(q.Rejection.InvalidProof, "invalid_proof", self.verify, hall)

    def test_bytes_that_are_no_pass_are_malformed(self):
        truncated, longer, version = self.sent[:-1], self.sent + b"\0", b"\2" + self.sent[1:]
        for bad in (b"\0", truncated, longer, version, b"\xff" * 246):
            error = self.rejected(q.Rejection.Malformed, "malformed", self.verify, ROOM, None, bad)
            self.assertIsNotNone(error.offset)
        for text in ("not base64url!", "====", "é"):
            with self.assertRaises(q.QuotapassError.BadInput):
                q.pass_from_text(text)

    def test_a_relays_roots_are_read(self):
        head = self.members.head().root
        roots = q.Roots.from_json('{"now": 1, "current": "%s", "window": 1, "recent": []}' % head)
        self.assertEqual(roots.current(), head)
        self.verify(roots=roots)
        nothing = q.Roots.from_json('{"now": 1, "current": null, "window": 1, "recent": []}')
        self.rejected(q.Rejection.UnknownRoot, "unknown_root", self.verify, ROOM, None, None, nothing)
        for bad in ("", "{}", '{"current": "0x1", "recent": []}'):
            with self.assertRaises(q.QuotapassError.BadInput):
                q.Roots.from_json(bad)


class Badges(World):
    def test_a_badge_ties_a_chat_key_to_a_pseudonym(self):
        keys = [bytes([n]) * 32 for n in (1, 2)]
        badges = [PROVER.badge(self.account, self.membership, ROOM, key, NOW) for key in keys]
        self.assertEqual(badges[0].pseudonym, badges[1].pseudonym)
        facts = VERIFIER.verify_badge(ROOM, badges[0].encoded, self.roots, NOW)
        self.assertEqual((facts.pseudonym, facts.chat_key), (badges[0].pseudonym, keys[0]))
        self.assertEqual(q.pass_from_text(badges[0].text), badges[0].encoded)
        hall = q.Room(REGISTRY, policy(name="hall"))
        self.assertNotEqual(PROVER.badge(self.account, self.membership, hall, keys[0], NOW).pseudonym, facts.pseudonym)

        def verify(room=ROOM, badge=badges[0].encoded, roots=self.roots, now=NOW):
            return VERIFIER.verify_badge(room, badge, roots, now)

        other_key = badges[0].encoded.replace(keys[0], keys[1])
        self.rejected(q.Rejection.InvalidProof, "invalid_proof", verify, hall)
        self.rejected(q.Rejection.InvalidProof, "invalid_proof", verify, ROOM, other_key)
        self.rejected(q.Rejection.Malformed, "malformed", verify, ROOM, badges[0].encoded[1:])
        self.rejected(q.Rejection.UnknownRoot, "unknown_root", verify, ROOM, badges[0].encoded, q.Roots("0x" + "00" * 32, []))
        strict = q.Room(REGISTRY, policy(min_stake=11))
        self.rejected(q.Rejection.RequirementMismatch, "requirement_mismatch", verify, strict)

    def test_badges_need_their_key_and_bounds(self):
        prover = q.Prover.load(q.KeyFiles(post=KEYS.post), [])
        with self.assertRaises(q.QuotapassError.Key):
            prover.badge(self.account, self.membership, ROOM, b"key", NOW)
        with self.assertRaises(q.Rejection.NoKey):
            prover.verifier().verify_badge(ROOM, b"badge", self.roots, NOW)
        with self.assertRaises(q.QuotapassError.BadInput):
            PROVER.badge(self.account, self.membership, ROOM, b"k" * 65_536, NOW)
        steps = Steps(q.Step.PROVE)
        with self.assertRaises(q.QuotapassError.Cancelled):
            PROVER.badge(self.account, self.membership, ROOM, b"key", NOW, steps.token)


class Recovery(World):
    def test_two_messages_under_one_id_give_the_commitment_away(self):
        # Two phones of one careless owner, whose ledgers do not know of each other.
        elsewhere = q.LedgerFolders(
            ledgers=self.folders.ledgers + "-2", witnesses=self.folders.witnesses + "-2"
        )
        second = q.Ledger.create(self.account, elsewhere, NOW, q.History.NONE)
        self.addCleanup(second.release)
        prepared, facts = self.prepared(), []
        for ledger, message in ((self.ledger(), b"one"), (second, b"two")):
            post = prepared.post(message, ledger, NOW)
            facts.append(VERIFIER.verify_post(ROOM, message, post.encoded, self.roots, NOW))
        self.assertEqual(facts[0].nullifier, facts[1].nullifier)
        self.assertEqual(q.recover(*facts), self.account.commitment())
        self.assertRegex(q.recover_secret(*facts), "^0x[0-9a-f]{64}$")
        with self.assertRaises(q.QuotapassError.NoEvidence):
            q.recover(facts[0], facts[0])
        post = prepared.post(b"three", second, NOW)
        third = VERIFIER.verify_post(ROOM, b"three", post.encoded, self.roots, NOW)
        with self.assertRaises(q.QuotapassError.NoEvidence):
            q.recover(facts[0], third)
        facts[1].y = third.y
        with self.assertRaises(q.QuotapassError.NoEvidence):
            q.recover(*facts)
        facts[1].y = "nonsense"
        with self.assertRaises(q.QuotapassError.BadInput):
            q.recover(*facts)


class Log(q.LogServers):
    """The servers of a log in one state, and what they are asked for."""

    def __init__(self, state="first"):
        self.state, self.asked = state, []

    def fetch(self, server, log, path):
        self.asked.append(path)
        if self.state is None:
            raise q.SourceFailure.Unreachable("there is no network")
        file = FIXTURE / "log" / self.state / log / path
        if not file.exists():
            raise q.SourceFailure.NotFound()
        return file.read_bytes()


class Store(q.LogStore):
    """The app's own database, which can fail."""

    def __init__(self):
        self.texts, self.fails = {}, False

    def load(self, log):
        return self.texts.get(log)

    def save(self, log, text):
        if self.fails:
            raise q.StoreFailure.Failed("the disk is full")
        self.texts[log] = text


class Relay(q.PostSender):
    """A relay that answers in turn, and what it was sent."""

    def __init__(self, *answers):
        self.answers, self.sent = list(answers), []

    def send(self, post):
        self.sent.append(post)
        answer = self.answers.pop(0)
        if answer is None:
            raise q.SourceFailure.Unreachable("it does not answer")
        return answer


def log(**changes):
    settings = MODERATION["settings"]
    values = dict(
        origin=settings["origin"],
        root_key=settings["rootKey"],
        servers=settings["servers"],
        witnesses=settings["witnesses"],
    )
    return q.LogStatement(**{**values, **changes})


def key(circuit, name):
    return circuit, (FIXTURE / f"{name}.key").read_bytes()


AUTHOR, SMALL = key(q.Circuit.AUTHOR, "author"), key(q.Circuit.RECORD16, "record16")
LARGE = key(q.Circuit.RECORD128, "record128")
LOUNGE = q.Room.from_policy_json((FIXTURE / "fixture.json").read_text(), "lounge")
LATER = MODERATION["now"]


class Moderation(World):
    """A room with a list, whose author is the account of the log's fixture."""

    def setUp(self):
        super().setUp()
        self.account = q.Identity.from_mnemonic(WORDS).account(REGISTRY, 0)
        index = self.members.append(self.account.commitment(), 100, 20, DAY - 10)
        self.membership = q.Membership(index, self.account.commitment())
        self.membership.sync(self.members.head(), self.members)
        self.roots = q.Roots(self.members.head().root, [])
        self.server, self.store = Log(), Store()
        self.lists = self.open()
        self.prover = q.Prover.load(q.KeyFiles(post=KEYS.post), [])
        for added in (AUTHOR, SMALL):
            self.prover.add_key(*added)

    def open(self, room=LOUNGE, store=None, **changes):
        return q.Lists.open(room, [log(**changes)], self.server, store or self.store)

    def prepare(self, room=LOUNGE, **options):
        return self.prover.prepare(self.account, self.membership, room, LATER, lists=self.lists, **options)

    def test_a_policy_with_moderation_is_read(self):
        policy = LOUNGE.policy()
        self.assertEqual(policy.stake_levels, [10, 100])
        self.assertEqual(policy.moderation.lists, [q.PolicyList(log=MODERATION["log"], limit=128)])
        fixture = json.loads((FIXTURE / "fixture.json").read_text())
        self.assertEqual(LOUNGE.policy_hash(), fixture["moderatedPolicyHash"])
        again = q.Room(REGISTRY, policy)
        self.assertEqual(again.policy(), policy)
        again.require_same(LOUNGE)
        bad = q.ModerationPolicy(lists=[q.PolicyList(log="ab", limit=1)], list_window=1, report_days=1, hide_at=None, report_recipients=[])
        with self.assertRaises(q.QuotapassError.BadInput):
            q.Room(REGISTRY, q.RoomPolicy(**{**vars(policy), "moderation": bad}))

    def test_a_list_is_remembered_before_it_is_used(self):
        self.store.fails = True
        with self.assertRaises(q.QuotapassError.LogMemory) as caught:
            self.lists.sync(LATER)
        self.assertIn("the disk is full", caught.exception.reason)
        for call in (self.prepare, self.lists.need_large_key, lambda: self.lists.strikes(self.account)):
            with self.assertRaises(q.QuotapassError.ListsMissing):
                call()
        self.store.fails = False
        [state] = self.lists.sync(LATER)
        self.assertEqual((state.log, state.entries), (MODERATION["log"], 1))
        self.assertIn(MODERATION["settings"]["origin"], self.store.texts[MODERATION["log"]])
        with self.assertRaises(q.QuotapassError.ListsMissing):
            self.prover.prepare(self.account, self.membership, LOUNGE, LATER)

    def test_settings_decide_which_logs_are_used(self):
        with self.assertRaises(q.QuotapassError.LogNotNamed):
            q.Lists.open(LOUNGE, [], self.server, self.store)
        for change in (dict(root_key="root"), dict(witnesses=[]), dict(servers=[]), dict(required=0), dict(required=2)):
            with self.assertRaises(q.QuotapassError.BadInput):
                self.open(**change)
        # Attack: a checkpoint for one reader alone.
        with self.assertRaises(q.QuotapassError.LogRefused):
            self.open(witnesses=[MODERATION["otherWitness"]]).sync(LATER)
        self.assertEqual(self.store.texts, {})

    def test_two_histories_are_proved_and_an_older_state_is_refused(self):
        self.lists.sync(LATER)
        self.server.state = "forked"
        with self.assertRaises(q.QuotapassError.LogForked) as caught:
            self.lists.sync(LATER)
        self.assertNotEqual(caught.exception.seen, caught.exception.shown)
        self.server.state = "lifted"
        self.lists.sync(LATER)
        self.server.state = "first"
        for lists in (self.lists, self.open()):
            with self.assertRaises(q.QuotapassError.LogRefused):
                lists.sync(LATER)
        self.server.state = None
        with self.assertRaises(q.QuotapassError.Source):
            self.lists.sync(LATER)
        self.store.texts[MODERATION["log"]] = "{}"
        with self.assertRaises(q.QuotapassError.LogMemory):
            self.open()

    def test_a_folder_remembers_a_log(self):
        with tempfile.TemporaryDirectory() as folder:
            self.server.state = "own"
            self.open(store=q.LogFolder(f"{folder}/logs")).sync(LATER)
            self.server.state = "first"
            with self.assertRaises(q.QuotapassError.LogRefused):
                self.open(store=q.LogFolder(f"{folder}/logs")).sync(LATER)

    def test_posts_carry_records(self):
        self.lists.sync(LATER)
        steps, ledger = Steps(), self.ledger()
        prepared = self.prepare(token=steps.token, stake=100)
        self.assertEqual(steps.heard, [q.Step.PREPARE, q.Step.PREPARE_RECORDS])
        post = prepared.post(b"hello", ledger, LATER)
        self.assertEqual(len(post.encoded), 246 + 1 + 25 + 128)
        verifier = self.prover.verifier()
        facts = verifier.verify_post(LOUNGE, b"hello", post.encoded, self.roots, LATER, self.lists)
        self.assertEqual((facts.nullifier, facts.x, facts.min_stake), (post.entry.nullifier, post.entry.x, 100))
        arguments = LOUNGE, b"hello", post.encoded, self.roots, LATER
        self.rejected(q.Rejection.ListMismatch, "list_mismatch", verifier.verify_post, *arguments)
        with self.assertRaises(q.Rejection.NoKey):
            VERIFIER.verify_post(*arguments, self.lists)
        with self.assertRaises(q.QuotapassError.BadInput):
            self.prepare(stake=11)
        self.assertEqual(self.membership.meeting(LOUNGE, LATER, 100), 4)
        # Another room of the same log lists other posts.
        elsewhere = q.Room(REGISTRY, q.RoomPolicy(**{**vars(LOUNGE.policy()), "name": "lobby"}))
        with self.assertRaises(q.QuotapassError.Mismatch):
            self.prepare(elsewhere)
        with self.assertRaises(q.Rejection.NoKey):
            verifier.verify_post(elsewhere, b"hello", post.encoded, self.roots, LATER, self.lists)

    def test_a_list_that_moves_on_keeps_the_id_of_a_message(self):
        self.lists.sync(LATER)
        prepared, ledger = self.prepare(), self.ledger()
        self.server.state = "lifted"
        relay = Relay("list_mismatch", "accepted")
        send = lambda message, relay: prepared.send(self.prover, self.account, message, ledger, relay, LATER)
        self.assertEqual(send(b"hello", relay), "accepted")
        first, second = relay.sent
        self.assertEqual(first.entry, second.entry)
        self.assertNotEqual(first.encoded, second.encoded)
        self.assertEqual(ledger.quota_left(LOUNGE, self.membership, LATER).used, 1)
        # It is sent once more, and no oftener.
        relay = Relay("list_mismatch", "list_mismatch", "accepted")
        self.assertEqual(send(b"again", relay), "list_mismatch")
        self.assertEqual(len(relay.sent), 2)
        with self.assertRaises(q.QuotapassError.NotSent):
            send(b"lost", Relay(None))
        used = ledger.quota_left(LOUNGE, self.membership, LATER).used
        send(b"lost", Relay("accepted"))
        self.assertEqual(ledger.quota_left(LOUNGE, self.membership, LATER).used, used)

    def test_a_struck_member_learns_it_first(self):
        self.lists.sync(LATER)
        prepared = self.prepare()
        self.assertEqual(self.lists.strikes(self.account), [])
        self.server.state = "own"
        with self.assertRaises(q.QuotapassError.Struck) as caught:
            prepared.refresh(self.prover, self.account, LATER)
        [strike] = caught.exception.strikes
        self.assertEqual((strike.origin, strike.servers), (MODERATION["settings"]["origin"], MODERATION["settings"]["servers"]))
        facts = strike.details
        self.assertEqual((facts.id, facts.scope, facts.reason), (MODERATION["strike"], "lounge", q.Reason.SPAM))
        self.assertEqual((facts.is_illegal, facts.reference), (False, "rule 3"))
        self.assertEqual((facts.until, facts.text), (MODERATION["until"], MODERATION["text"]))
        self.assertIn("appeal", caught.exception.reason)
        with self.assertRaises(q.QuotapassError.Struck):
            self.prepare()
        stranger = q.Identity.generate().account(REGISTRY, 0)
        self.assertEqual(self.lists.strikes(stranger), [])
        self.server.state = None
        self.assertIsNone(self.lists.strikes(self.account)[0].details)

        appeal = json.loads(self.prover.appeal(self.account, LOUNGE, facts.scope, strike.entry, "It was not.", LATER))
        self.assertEqual((appeal["kind"], appeal["text"], appeal["scope"]), ("appeal", "It was not.", "lounge"))
        with self.assertRaises(q.QuotapassError.NotTheAuthor):
            self.prover.appeal(stranger, LOUNGE, facts.scope, strike.entry, "It was not.", LATER)
        for scope, text in (("lobby", "x"), ("lounge", "x" * 4_001)):
            with self.assertRaises(q.QuotapassError.BadInput):
                self.prover.appeal(self.account, LOUNGE, scope, strike.entry, text, LATER)
        self.server.state = "lifted"
        prepared.refresh(self.prover, self.account, LATER)
        prepared.post(b"back", self.ledger(), LATER)

    def test_keys_are_asked_for_when_they_are_needed(self):
        self.server.state = "long"
        self.lists.sync(LATER)
        self.assertTrue(self.lists.need_large_key())
        with self.assertRaises(q.QuotapassError.KeyNeeded) as caught:
            self.prepare()
        self.assertEqual(caught.exception.circuit, q.Circuit.RECORD128)
        with self.assertRaises(q.QuotapassError.Key):
            self.prover.add_key(q.Circuit.RECORD128, SMALL[1])
        self.assertFalse(self.prover.has_key(q.Circuit.RECORD128))
        self.prover.add_key(*LARGE)
        post = self.prepare().post(b"among many", self.ledger(), LATER)
        self.prover.verifier().verify_post(LOUNGE, b"among many", post.encoded, self.roots, LATER, self.lists)
        self.assertEqual(q.development_key(q.Circuit.AUTHOR), AUTHOR[1])

    def test_authors_delete_their_posts_and_report_those_of_others(self):
        self.lists.sync(LATER)
        post = self.prepare().post(b"oops", self.ledger(), LATER)
        deletion = json.loads(self.prover.deletion(self.account, LOUNGE, post.entry, LATER))
        self.assertEqual(deletion["entry"]["nullifier"], post.entry.nullifier.removeprefix("0x"))
        self.assertEqual(set(deletion), {"scope", "entry", "time", "kind", "proof"})
        with self.assertRaises(q.QuotapassError.KeyNeeded):
            PROVER.deletion(self.account, LOUNGE, post.entry, LATER)

        nullifier = "00" + "11" * 31
        report = lambda body, room=LOUNGE: self.prover.report(
            self.account, self.membership, room, nullifier, body, LATER, self.lists
        )
        made = json.loads(report(q.Report(reason=q.Reason.SPAM)))
        self.assertEqual((made["scope"], made["nullifier"]), ("lounge", nullifier))
        commented = q.Report(reason=q.Reason.SPAM, comment="look")
        with self.assertRaises(q.QuotapassError.ReportRefused):
            report(commented)
        # The recipient of age's own documentation.
        recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
        policy = LOUNGE.policy()
        policy.moderation.report_recipients = [recipient]
        sealed = json.loads(report(commented, q.Room(REGISTRY, policy)))
        self.assertGreater(len(sealed["body"]), len(made["body"]))
        csam = q.Report(reason=q.Reason.CSAM, message=b"x")
        with self.assertRaises(q.QuotapassError.ReportRefused):
            report(csam, q.Room(REGISTRY, policy))
        policy.moderation.report_days = 0
        with self.assertRaises(q.QuotapassError.ReportRefused):
            report(q.Report(reason=q.Reason.SPAM), q.Room(REGISTRY, policy))

    def test_a_sync_can_be_cancelled(self):
        steps = Steps(cancel_at=q.Step.FETCH_LOG)
        with self.assertRaises(q.QuotapassError.Cancelled):
            self.lists.sync(LATER, steps.token)
        self.assertEqual(self.server.asked, [])


class Background(World):
    def test_a_long_call_leaves_the_event_loop_free(self):
        ledger, prepared = self.ledger(), self.prepared()

        class Threads(q.ProgressListener):
            def __init__(self):
                self.heard = []

            def begins(self, step):
                self.heard.append(threading.current_thread())

        threads = Threads()

        async def work():
            token = q.CancelToken(threads)
            post = await in_background(prepared.post, b"hello", ledger, NOW, token=token)
            await in_background(prepared.post, b"later", ledger, NOW + EPOCH)
            with self.assertRaises(q.QuotapassError.EpochLeft):
                await in_background(prepared.post, b"hello", ledger, NOW)
            return post

        post = asyncio.run(work())
        VERIFIER.verify_post(ROOM, b"hello", post.encoded, self.roots, NOW)
        self.assertTrue(threads.heard)
        self.assertNotIn(threading.current_thread(), threads.heard)

    def test_cancelling_a_task_cancels_its_call(self):
        ledger, prepared = self.ledger(), self.prepared()
        begun, cancelled = threading.Event(), threading.Event()

        class Waiting(q.ProgressListener):
            def begins(self, step):
                begun.set()
                cancelled.wait()

        async def work():
            token = q.CancelToken(Waiting())
            task = asyncio.create_task(in_background(prepared.post, b"hello", ledger, NOW, token=token))
            await asyncio.to_thread(begun.wait)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertTrue(token.is_cancelled())
            cancelled.set()

        # It waits for the threads too.
        asyncio.run(work())
        self.assertEqual(ledger.quota_left(ROOM, self.membership, NOW).used, 0)


class Texts(unittest.TestCase):
    def test_the_text_of_an_exception_is_its_reason(self):
        with self.assertRaises(q.QuotapassError.Mnemonic) as caught:
            q.Identity.from_mnemonic("abandon art")
        self.assertEqual(str(caught.exception), caught.exception.reason)
        with self.assertRaises(q.QuotapassError.BadInput) as caught:
            q.Room(REGISTRY, policy(limit_cap=0))
        self.assertEqual(str(caught.exception), "policy.limit_cap: must not be zero")
        self.assertEqual(str(q.SourceFailure.Unreachable("no network")), "no network")
        with self.assertRaises(q.SourceFailure.NotFound) as caught:
            q.LocalMembers().bucket(7)
        self.assertEqual(str(caught.exception), "there is no such bucket")


class Readme(unittest.TestCase):
    def test_the_first_proof_of_the_readme_runs(self):
        readme = (Path(__file__).parent.parent / "README.md").read_text()
        code = readme.split("```python\n", 1)[1].split("```", 1)[0]
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder.name)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, {})
        self.assertRegex(printed.getvalue(), "accepted: 0x[0-9a-f]{64}, 4 messages left")


if __name__ == "__main__":
    unittest.main()
