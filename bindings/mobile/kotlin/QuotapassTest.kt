// An app's use of quotapass, in Kotlin. `cargo xtask mobile test` runs it.

import java.io.File
import java.nio.file.Files
import java.security.MessageDigest
import java.util.Properties
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.ExecutionException
import kotlin.concurrent.thread
import kotlin.coroutines.Continuation
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.coroutines.startCoroutine
import kotlin.system.exitProcess
import org.quotapass.*

const val NOW = 1_800_000_000UL
const val EPOCH = 600UL
val DAY = (NOW / 86_400UL).toInt()
val REGISTRY = Registry(31_337UL, "0x" + "11".repeat(20))

// The test vector of BIP-39 with entropy of zeros.
val WORDS = "abandon ".repeat(23) + "art"

val KEYS = developmentKeys()
val PROVER = Prover.load(KEYS, listOf())
val VERIFIER = PROVER.verifier()
val POLICY = RoomPolicy("lobby", 600u, 3.toUShort(), 10u, 2.toUShort(), 3_600u, 30u)
val ROOM = Room(REGISTRY, POLICY)

var passed = 0
var failed = 0

fun test(name: String, body: () -> Unit) {
    try {
        body()
        passed += 1
    } catch (failure: Throwable) {
        failed += 1
        System.err.println("FAILED: $name")
        failure.printStackTrace()
    }
}

fun <T> equal(found: T, expected: T) {
    if (found != expected) throw AssertionError("found $found, expected $expected")
}

fun holds(condition: Boolean) = equal(condition, true)

inline fun <reified E : Throwable> throws(call: () -> Unit): E {
    try {
        call()
    } catch (error: Throwable) {
        return error as? E ?: throw AssertionError("${E::class.simpleName} expected", error)
    }
    throw AssertionError("${E::class.simpleName} expected, nothing was thrown")
}

fun Int.s() = toUShort()

/** The id of a development key: the hash of all that precedes the checksum. */
fun ByteArray.keyId() =
    MessageDigest.getInstance("SHA-256").digest(copyOf(size - 32)).joinToString("") { "%02x".format(it) }

fun ByteArray.with(offset: Int) = copyOf().also { it[offset] = (it[offset].toInt() xor 1).toByte() }

/** A source that the app implements, and its requests. */
class Asked(private val members: LocalMembers) : MembersSource {
    val asked = mutableListOf<String>()

    override fun upperNodes(): ByteArray {
        asked += "upper"
        return members.upperNodes()
    }

    override fun bucket(number: UInt): ByteArray {
        asked += "$number"
        return members.bucket(number)
    }
}

/** Records steps, and cancels at one of them. */
class Steps(private val cancelAt: Step? = null) : ProgressListener {
    val heard = mutableListOf<Step>()
    val token = CancelToken(this)

    override fun begins(step: Step) {
        heard += step
        if (step == cancelAt) token.cancel()
    }
}

/** A member among others, with folders for a ledger. */
class World : AutoCloseable {
    private val folder: File = Files.createTempDirectory("quotapass").toFile()
    val folders = LedgerFolders("$folder/ledgers", "$folder/witnesses")
    val elsewhere = LedgerFolders("$folder/ledgers-2", "$folder/witnesses-2")
    val identity = Identity.generate()
    val account = identity.account(REGISTRY, 0u)
    val members = LocalMembers()
    val index: UInt
    val membership: Membership
    val roots: Roots
    private val open = mutableListOf<Ledger>()

    init {
        join()
        index = members.append(account.commitment(), 100u, 20.s(), (DAY - 10).s())
        join()
        membership = Membership(index, account.commitment())
        membership.sync(members.head(), members)
        roots = Roots(members.head().root, listOf())
    }

    /** Another member deposits. */
    fun join() = members.append(Identity.generate().account(REGISTRY, 0u).commitment(), 100u, 20.s(), (DAY - 10).s())

    fun ledger(folders: LedgerFolders = this.folders, of: Account = account): Ledger =
        Ledger.create(of, folders, NOW, History.NONE).also { open += it }

    fun reopened(): Ledger = Ledger.open(account, folders).also { open += it }

    fun prepared() = PROVER.prepare(account, membership, ROOM, NOW)

    override fun close() {
        open.forEach { it.close() }
        folder.deleteRecursively()
    }
}

fun <T> world(body: World.() -> T): T = World().use { it.body() }

fun identities() {
    test("a mnemonic restores the identity") {
        val identity = Identity.generate()
        val words = identity.mnemonic()
        equal(words.split(" ").size, 24)
        val again = Identity.fromMnemonic("  " + words.uppercase().replace(" ", "  "))
        for (number in listOf(0u, 7u)) {
            val commitment = identity.account(REGISTRY, number).commitment()
            equal(again.account(REGISTRY, number).commitment(), commitment)
            holds(Regex("0x[0-9a-f]{64}").matches(commitment))
        }
    }
    test("accounts and registries differ") {
        val identity = Identity.fromMnemonic(WORDS)
        val other = Registry(1UL, REGISTRY.address)
        val accounts = listOf(REGISTRY, other).flatMap { r -> listOf(0u, 1u).map { identity.account(r, it) } }
        equal(accounts.map { it.commitment() }.toSet().size, 4)
        equal(accounts[1].registry() to accounts[1].number(), REGISTRY to 1u)
    }
    test("wrong words are named") {
        for (words in listOf("", "abandon art", WORDS.replace("art", "able"), WORDS.replace("art", "arx"))) {
            holds(throws<QuotapassException.Mnemonic> { Identity.fromMnemonic(words) }.reason.isNotEmpty())
        }
    }
    test("a wiped handle and a closed one refuse") {
        val identity = Identity.generate()
        val account = identity.account(REGISTRY, 0u)
        identity.wipe()
        identity.wipe()
        throws<QuotapassException.Closed> { identity.mnemonic() }
        throws<QuotapassException.Closed> { identity.account(REGISTRY, 0u) }
        holds(account.commitment().isNotEmpty())
        account.close()
        account.close()
        throws<IllegalStateException> { account.commitment() }
    }
    test("addresses are checked") {
        val mistyped = "0x5FbDB2315678afecb367f032d93F642f64180aa4"
        for (address in listOf("", "0x12", "0x" + "gg".repeat(20), "11".repeat(21), "é".repeat(20), mistyped)) {
            val error = throws<QuotapassException.BadInput> { Identity.generate().account(Registry(1UL, address), 0u) }
            equal(error.argument, "registry.address")
        }
    }
}

fun rooms() {
    test("a relay's policy gives the room") {
        fun json(scope: String) = """{"now": 1, "registry": {"chain_id": 31337, "address": "${REGISTRY.address}"},
            "development_keys": true, "unlisted": "reject", "scopes": [{"name": "lobby", "scope": "$scope",
            "epoch_seconds": 600, "limit_cap": 3, "min_stake": 10, "min_age_days": 2, "root_window": 3600,
            "max_clock_skew": 30, "epoch": 0, "epoch_ends": 600, "since_max": 0}]}"""
        val room = Room.fromPolicyJson(json(ROOM.scope()), "lobby")
        equal(room.policy(), POLICY)
        equal(listOf(room.name(), room.scope(), room.registry()), listOf("lobby", ROOM.scope(), REGISTRY))
        val bad = listOf(json("0x" + "00".repeat(32)) to "lobby", json(ROOM.scope()) to "hall", "" to "lobby", "{}" to "lobby")
        for ((text, name) in bad) throws<QuotapassException.BadInput> { Room.fromPolicyJson(text, name) }
    }
    test("a policy of one's own is refused") {
        val pins = listOf(ROOM.policyHash())
        ROOM.requirePinned(pins)
        ROOM.requireSame(Room(REGISTRY, POLICY))
        val tagged = Room(REGISTRY, POLICY.copy(minStake = POLICY.minStake + 1u))
        throws<QuotapassException.Policy> { tagged.requirePinned(pins) }
        throws<QuotapassException.Policy> { tagged.requireSame(ROOM) }
    }
    test("epochs are the floor of time") {
        equal(ROOM.epochAt(NOW + 599UL), EpochTimes(NOW / EPOCH, NOW, NOW + EPOCH))
    }
    test("values that do not go together are refused") {
        val bad = listOf(
            POLICY.copy(name = ""), POLICY.copy(name = "x".repeat(256)), POLICY.copy(epochSeconds = 0u),
            POLICY.copy(limitCap = 0.s()), POLICY.copy(maxClockSkew = 601u),
        )
        for (policy in bad) throws<QuotapassException.BadInput> { Room(REGISTRY, policy) }
    }
}

fun memberships() {
    test("a source of the app is asked and checked") {
        world {
            val source = Asked(members)
            val steps = Steps()
            val membership = Membership(index, account.commitment())
            equal(membership.root(), null)
            throws<QuotapassException.NeverSynced> { membership.terms() }
            equal(membership.sync(members.head(), source, steps.token), SyncReport(listOf(0u), 3u))
            equal(steps.heard.toList(), listOf(Step.FETCH_UPPER_NODES, Step.FETCH_BUCKET))
            equal(membership.root(), members.head().root)
            equal(membership.terms(), MemberTerms(100u, 20.s(), (DAY - 10).s()))
            equal(membership.sync(members.head(), source).asked, listOf())
            equal(source.asked.toList(), listOf("upper", "0"))
        }
    }
    test("what the app fetched itself serves too") {
        world {
            val membership = Membership(index, account.commitment())
            val upper = members.upperNodes()
            val needed = throws<QuotapassException.BucketsNeeded> { membership.syncFetched(members.head(), upper, listOf()) }
            equal(needed.numbers, listOf(0u))
            equal(membership.syncFetched(members.head(), upper, needed.numbers.map { members.bucket(it) }).asked, listOf(0u))
        }
    }
    test("a cache is read back for the same member alone") {
        world {
            val cache = membership.toBytes()
            equal(Membership.fromBytes(cache, index, account.commitment()).root(), membership.root())
            for ((bytes, of) in listOf(cache.with(cache.size - 1) to index, byteArrayOf() to index, cache to index + 1u)) {
                throws<QuotapassException.BadInput> { Membership.fromBytes(bytes, of, account.commitment()) }
            }
        }
    }
    test("another tree than the chain's is refused") {
        world {
            val root = membership.root()
            val head = members.head()
            join()
            throws<QuotapassException.NotTheChains> { membership.sync(ChainHead(head.root, 99UL), members) }
            equal(membership.root(), root)
        }
    }
    test("members who are not there are told why") {
        world {
            val stranger = Identity.generate().account(REGISTRY, 0u).commitment()
            throws<QuotapassException.NotYet> { Membership(3u, stranger).sync(members.head(), members) }
            val other = Membership(index, stranger)
            other.sync(members.head(), members)
            throws<QuotapassException.OtherMember> { other.terms() }
            members.remove(index)
            membership.sync(members.head(), members)
            throws<QuotapassException.Removed> { membership.terms() }
        }
    }
    test("failures of a source are typed") {
        class Broken(val failure: () -> ByteArray) : MembersSource {
            override fun upperNodes() = failure()
            override fun bucket(number: UInt) = failure()
        }
        world {
            val failures = listOf<() -> ByteArray>(
                { throw SourceFailure.NotFound() }, { throw SourceFailure.Unreachable("no network") },
                { throw IllegalArgumentException("not expected") }, { ByteArray(100_000) }, { ByteArray(3) },
            )
            for (failure in failures) {
                val membership = Membership(index, account.commitment())
                throws<QuotapassException.Source> { membership.sync(members.head(), Broken(failure)) }
            }
        }
    }
    test("a sync can be cancelled") {
        world {
            val membership = Membership(index, account.commitment())
            val token = Steps(Step.FETCH_BUCKET).token
            throws<QuotapassException.Cancelled> { membership.sync(members.head(), members, token) }
            equal(membership.root(), null)
        }
    }
    test("bad values are refused") {
        world {
            for (commitment in listOf("", "0x" + "ff".repeat(32), "zz".repeat(32))) {
                throws<QuotapassException.BadInput> { Membership(0u, commitment) }
            }
            throws<QuotapassException.BadInput> { membership.sync(ChainHead("0x1", 1UL), members) }
            throws<QuotapassException.BadInput> { membership.syncFetched(members.head(), ByteArray(5), listOf()) }
            throws<QuotapassException.BadInput> { members.append(account.commitment(), 1u, 0.s(), 0.s()) }
        }
    }
}

fun keys() {
    test("development keys say so") {
        holds(PROVER.isDevelopment() && VERIFIER.isDevelopment())
    }
    test("keys that are not trusted are refused") {
        val post = KEYS.post
        val zkey = "zkey".toByteArray() + ByteArray(1_000) { -1 }
        val cases = listOf(
            // Development keys are never trusted by their id, and apps do not load the `.zkey` files of a ceremony.
            post to listOf("00".repeat(32)), post to listOf(post.keyId()), zkey to listOf(), zkey to listOf(zkey.keyId()),
            post.with(5_000) to listOf(), KEYS.badge!! to listOf(), byteArrayOf() to listOf(),
            post.copyOf(1_000) to listOf<String>(),
        )
        for ((file, trusted) in cases) throws<QuotapassException.Key> { Prover.load(KeyFiles(file), trusted) }
        throws<QuotapassException.BadInput> { Prover.load(KEYS, listOf("not a hash")) }
    }
    test("loading can be cancelled") {
        val token = CancelToken()
        token.cancel()
        holds(token.isCancelled())
        throws<QuotapassException.Cancelled> { Prover.load(KEYS, listOf(), token) }
        throws<QuotapassException.Cancelled> { developmentKeys(token) }
        throws<QuotapassException.Cancelled> { PROVER.buildTables(token) }
    }
    test("tables are of one key") {
        world {
            val prover = Prover.load(KEYS, listOf())
            val tables = prover.buildTables()
            prover.useTables(tables)
            throws<QuotapassException.Key> { prover.useTables(tables.copyOf(tables.size - 1)) }
            val message = "with tables".toByteArray()
            val post = prover.prepare(account, membership, ROOM, NOW).post(message, ledger(), NOW)
            VERIFIER.verifyPost(ROOM, message, post.encoded, roots, NOW)
        }
    }
}

fun posts() {
    test("posts up to the limit are accepted and one more is refused") {
        world {
            val (ledger, prepared) = ledger() to prepared()
            val nullifiers = (2 downTo 0).map { left ->
                val message = "message $left".toByteArray()
                val post = prepared.post(message, ledger, NOW + 5UL)
                equal(Triple(post.left, post.epoch.begins, post.encoded.size), Triple(left.s(), NOW, 246))
                holds(passFromText(post.text).contentEquals(post.encoded))
                val facts = VERIFIER.verifyPost(ROOM, message, post.encoded, roots, NOW + 5UL)
                equal(Triple(facts.root, facts.epoch, facts.limitCap), Triple(members.head().root, NOW / EPOCH, 3.s()))
                equal(facts.minStake to facts.sinceMax, 10u to (DAY - 2).s())
                facts.nullifier
            }
            equal(nullifiers.toSet().size, 3)
            val more = "one too many".toByteArray()
            equal(throws<QuotapassException.QuotaUsed> { prepared.post(more, ledger, NOW + 6UL) }.nextBegins, NOW + EPOCH)
            equal(prepared.post(more, ledger, NOW + EPOCH).left, 2.s())
            throws<QuotapassException.EpochLeft> { prepared.post(more, ledger, NOW) }
        }
    }
    test("the ledger survives reopening") {
        world {
            val (ledger, prepared) = ledger() to prepared()
            val message = "hello".toByteArray()
            prepared.post(message, ledger, NOW)
            throws<QuotapassException.LedgerInUse> { Ledger.open(account, folders) }
            ledger.release()
            throws<QuotapassException.Closed> { prepared.post(message, ledger, NOW) }
            val again = reopened()
            val status = again.quotaLeft(ROOM, membership, NOW)
            equal(Triple(status.used, status.left, status.nextBegins), Triple(1.s(), 2.s(), NOW + EPOCH))
            equal(again.gap(), null)
            equal(prepared.post(byteArrayOf(2, 2), again, NOW).left, 1.s())
            again.close()
            throws<QuotapassException.LedgerExists> { Ledger.create(account, folders, NOW, History.NONE) }
            throws<IllegalStateException> { prepared.post(message, again, NOW) }
        }
    }
    test("a ledger that may be old waits until the next epoch is over") {
        world {
            ledger().release()
            File(folders.witnesses).listFiles()!!.filter { it.extension == "witness" }.forEach { it.delete() }
            val again = reopened()
            holds("witness" in again.gap()!!)
            val message = "hello".toByteArray()
            equal(throws<QuotapassException.MayBeStale> { prepared().post(message, again, NOW) }.resumesAt, NOW + EPOCH + EPOCH)
            again.confirmCurrent()
            prepared().post(message, again, NOW)
        }
    }
    test("an unknown history leaves two epochs out") {
        world {
            throws<QuotapassException.LedgerMissing> { Ledger.open(account, folders) }
            Ledger.create(account, folders, NOW, History.UNKNOWN).use { ledger ->
                equal(ledger.quotaLeft(ROOM, membership, NOW).left, 0.s())
                equal(ledger.quotaLeft(ROOM, membership, NOW + EPOCH).left, 0.s())
                equal(ledger.quotaLeft(ROOM, membership, NOW + EPOCH + EPOCH).left, 3.s())
            }
        }
    }
    test("devices share the ids") {
        world {
            throws<QuotapassException.BadInput> {
                Ledger.create(account, folders, NOW, History.NONE, Device(2.s(), 2.s()))
            }
            Ledger.create(account, folders, NOW, History.NONE, Device(1.s(), 2.s())).use { ledger ->
                equal(ledger.quotaLeft(ROOM, membership, NOW).left, 1.s())
            }
            throws<QuotapassException.Ledger> { Ledger.open(account, folders) }
        }
    }
    test("cancelling before the reservation changes nothing and after it uses the id") {
        world {
            val (ledger, prepared) = ledger() to prepared()
            for ((step, used) in listOf(Step.RESERVE to 0, Step.PROVE to 1)) {
                val steps = Steps(step)
                throws<QuotapassException.Cancelled> { prepared.post(byteArrayOf(1), ledger, NOW, steps.token) }
                equal(steps.heard.last(), step)
                equal(ledger.quotaLeft(ROOM, membership, NOW).used, used.s())
            }
            equal(prepared.post(byteArrayOf(2), ledger, NOW).left, 1.s())
        }
    }
    test("a new day is prepared for") {
        world {
            val (ledger, prepared) = ledger() to prepared()
            // A day after the deposit, it was too young.
            val early = NOW - 9UL * 86_400UL
            val refused = Steps()
            throws<QuotapassException.Ineligible> { prepared.post(byteArrayOf(1), ledger, early, refused.token) }
            equal(refused.heard.toList(), listOf(Step.PREPARE))
            equal(ledger.quotaLeft(ROOM, membership, early).used, 0.s())
            val tomorrow = NOW + 86_400UL
            val posting = listOf(Step.RESERVE, Step.PROVE)
            for (expected in listOf(listOf(Step.PREPARE) + posting, posting)) {
                val steps = Steps()
                val post = prepared.post(byteArrayOf(1), ledger, tomorrow, steps.token)
                equal(steps.heard.toList(), expected)
                VERIFIER.verifyPost(ROOM, byteArrayOf(1), post.encoded, roots, tomorrow)
            }
        }
    }
    test("a room that asks for more is not prepared for") {
        world {
            for (policy in listOf(POLICY.copy(minStake = 101u), POLICY.copy(minAgeDays = 11.s()))) {
                throws<QuotapassException.Ineligible> { PROVER.prepare(account, membership, Room(REGISTRY, policy), NOW) }
            }
        }
    }
    test("a prepared prover follows the tree") {
        world {
            val (ledger, prepared) = ledger() to prepared()
            join()
            membership.sync(members.head(), members)
            prepared.update(membership)
            val root = members.head().root
            equal(prepared.root(), root)
            val post = prepared.post(byteArrayOf(1), ledger, NOW)
            throws<Rejection.UnknownRoot> { VERIFIER.verifyPost(ROOM, byteArrayOf(1), post.encoded, roots, NOW) }
            roots.advance(root, NOW)
            VERIFIER.verifyPost(ROOM, byteArrayOf(1), post.encoded, roots, NOW)
        }
    }
    test("what does not belong together is refused") {
        world {
            val (ledger, prepared) = ledger() to prepared()
            val other = identity.account(REGISTRY, 1u)
            val elsewhere = Room(Registry(1UL, REGISTRY.address), POLICY)
            val others = ledger(of = other)
            val otherIndex = members.append(other.commitment(), 100u, 20.s(), (DAY - 10).s())
            val theirs = Membership(otherIndex, other.commitment()).apply { sync(members.head(), members) }
            throws<QuotapassException.Mismatch> { PROVER.prepare(other, membership, ROOM, NOW) }
            throws<QuotapassException.Mismatch> { PROVER.prepare(account, membership, elsewhere, NOW) }
            throws<QuotapassException.Mismatch> { PROVER.prepare(account, theirs, ROOM, NOW) }
            throws<QuotapassException.Mismatch> { PROVER.badge(other, membership, ROOM, byteArrayOf(1), NOW) }
            throws<QuotapassException.Mismatch> { PROVER.badge(account, theirs, ROOM, byteArrayOf(1), NOW) }
            throws<QuotapassException.Mismatch> { PROVER.badge(account, membership, elsewhere, byteArrayOf(1), NOW) }
            throws<QuotapassException.Policy> { elsewhere.requireSame(ROOM) }
            throws<QuotapassException.Mismatch> { prepared.update(theirs) }
            throws<QuotapassException.Mismatch> { prepared.post(byteArrayOf(), others, NOW) }
            throws<QuotapassException.Mismatch> { others.quotaLeft(ROOM, membership, NOW) }
            throws<QuotapassException.Mismatch> { ledger.quotaLeft(elsewhere, membership, NOW) }
            equal(ledger.quotaLeft(ROOM, membership, NOW).used, 0.s())
        }
    }
    test("wiped handles are closed") {
        world {
            val (ledger, prepared) = ledger() to prepared()
            account.wipe()
            throws<QuotapassException.Closed> { prepared() }
            prepared.post(byteArrayOf(), ledger, NOW)
            prepared.wipe()
            throws<QuotapassException.Closed> { prepared.root() }
            throws<QuotapassException.Closed> { prepared.post(byteArrayOf(), ledger, NOW) }
            throws<QuotapassException.Closed> { prepared.update(membership) }
        }
    }
    test("threads share a ledger and never an id") {
        world {
            val (ledger, prepared) = ledger() to prepared()
            val sent = ConcurrentLinkedQueue<Pair<ByteArray, PostPass>>()
            val threads = (0 until 6).map { number ->
                thread {
                    val message = "message $number".toByteArray()
                    try {
                        sent += message to prepared.post(message, ledger, NOW)
                    } catch (_: QuotapassException.QuotaUsed) {
                    }
                }
            }
            threads.forEach { it.join() }
            val facts = sent.map { (message, post) -> VERIFIER.verifyPost(ROOM, message, post.encoded, roots, NOW) }
            equal(facts.size to facts.map { it.nullifier }.toSet().size, 3 to 3)
        }
    }
}

fun verdicts() {
    val message = "hello".toByteArray()
    test("each rejection has its verdict") {
        world {
            val sent = prepared().post(message, ledger(), NOW).encoded
            fun verify(room: Room = ROOM, text: ByteArray = message, roots: Roots = this.roots, now: ULong = NOW) {
                VERIFIER.verifyPost(room, text, sent, roots, now)
            }
            val head = members.head().root
            val other = "0x" + "00".repeat(31) + "01"
            fun superseded(at: ULong) = Roots(other, listOf(SupersededRoot(head, at)))
            verify(roots = superseded(NOW - 3_600UL))
            val stale = throws<Rejection.StaleRoot> { verify(roots = superseded(NOW - 3_601UL)) }
            equal(Triple(stale.verdict, stale.gossip, stale.supersededAt), Triple("stale_root", Gossip.IGNORE, NOW - 3_601UL))
            holds(stale.reason.startsWith("stale_root: "))
            equal(throws<Rejection.UnknownRoot> { verify(roots = Roots(other, listOf())) }.verdict, "unknown_root")
            equal(throws<Rejection.InvalidProof> { verify(text = byteArrayOf(0)) }.verdict, "invalid_proof")
            throws<Rejection.InvalidProof> { verify(Room(REGISTRY, POLICY.copy(name = "hall"))) }
            verify(now = NOW + EPOCH + 29UL)
            val late = throws<Rejection.EpochOutOfRange> { verify(now = NOW + EPOCH + 30UL) }
            equal(Triple(late.verdict, late.begins, late.ends), Triple("epoch_out_of_range", NOW, NOW + EPOCH))
            val mismatches = listOf(
                "min_stake" to POLICY.copy(minStake = 9u), "limit_cap" to POLICY.copy(limitCap = 4.s()),
                "since_max" to POLICY.copy(minAgeDays = 3.s()), "epoch_seconds" to POLICY.copy(epochSeconds = 300u),
            )
            for ((field, policy) in mismatches) {
                val error = throws<Rejection.RequirementMismatch> { verify(Room(REGISTRY, policy)) }
                equal(Triple(error.verdict, error.gossip, error.field), Triple("requirement_mismatch", Gossip.REJECT, field))
            }
        }
    }
    test("bytes that are no pass are malformed") {
        world {
            val sent = prepared().post(message, ledger(), NOW).encoded
            val bad = listOf(byteArrayOf(), sent.copyOf(245), sent + 0, sent.with(0), ByteArray(246) { -1 })
            for (bytes in bad) {
                val error = throws<Rejection.Malformed> { VERIFIER.verifyPost(ROOM, message, bytes, roots, NOW) }
                equal(error.verdict to (error.offset != null), "malformed" to true)
            }
            for (text in listOf("not base64url!", "====", "é")) throws<QuotapassException.BadInput> { passFromText(text) }
        }
    }
    test("a relay's roots are read") {
        world {
            val sent = prepared().post(message, ledger(), NOW).encoded
            fun roots(current: String) = Roots.fromJson("""{"now": 1, "current": $current, "window": 1, "recent": []}""")
            val head = members.head().root
            equal(roots("\"$head\"").current(), head)
            VERIFIER.verifyPost(ROOM, message, sent, roots("\"$head\""), NOW)
            throws<Rejection.UnknownRoot> { VERIFIER.verifyPost(ROOM, message, sent, roots("null"), NOW) }
            for (bad in listOf("", "{}")) throws<QuotapassException.BadInput> { Roots.fromJson(bad) }
        }
    }
}

fun badges() {
    test("a badge ties a chat key to a pseudonym") {
        world {
            val chatKeys = listOf(ByteArray(32) { 1 }, ByteArray(32) { 2 })
            val (first, second) = chatKeys.map { PROVER.badge(account, membership, ROOM, it, NOW) }
            equal(first.pseudonym, second.pseudonym)
            val facts = VERIFIER.verifyBadge(ROOM, first.encoded, roots, NOW)
            holds(facts.pseudonym == first.pseudonym && facts.chatKey.contentEquals(chatKeys[0]))
            holds(passFromText(first.text).contentEquals(first.encoded))
            fun verify(room: Room = ROOM, badge: ByteArray = first.encoded, roots: Roots = this.roots) {
                VERIFIER.verifyBadge(room, badge, roots, NOW)
            }
            throws<Rejection.InvalidProof> { verify(Room(REGISTRY, POLICY.copy(name = "hall"))) }
            throws<Rejection.Malformed> { verify(badge = first.encoded.copyOf(40)) }
            throws<Rejection.UnknownRoot> { verify(roots = Roots("0x" + "00".repeat(32), listOf())) }
            throws<Rejection.RequirementMismatch> { verify(Room(REGISTRY, POLICY.copy(minStake = 11u))) }
        }
    }
    test("badges need their key and bounds") {
        world {
            val prover = Prover.load(KeyFiles(KEYS.post), listOf())
            throws<QuotapassException.Key> { prover.badge(account, membership, ROOM, byteArrayOf(1), NOW) }
            throws<Rejection.NoKey> { prover.verifier().verifyBadge(ROOM, byteArrayOf(1), roots, NOW) }
            throws<QuotapassException.BadInput> { PROVER.badge(account, membership, ROOM, ByteArray(65_536), NOW) }
            val token = Steps(Step.PROVE).token
            throws<QuotapassException.Cancelled> { PROVER.badge(account, membership, ROOM, byteArrayOf(1), NOW, token) }
        }
    }
}

fun recovery() {
    test("two messages under one id give the commitment away") {
        world {
            // Two phones of one careless owner, whose ledgers do not know of each other.
            val second = ledger(elsewhere)
            val prepared = prepared()
            fun facts(ledger: Ledger, message: ByteArray): PostFacts {
                val post = prepared.post(message, ledger, NOW)
                return VERIFIER.verifyPost(ROOM, message, post.encoded, roots, NOW)
            }
            val (one, two) = facts(ledger(), byteArrayOf(1)) to facts(second, byteArrayOf(2))
            equal(one.nullifier, two.nullifier)
            equal(recover(one, two), account.commitment())
            holds(Regex("0x[0-9a-f]{64}").matches(recoverSecret(one, two)))
            val three = facts(second, byteArrayOf(3))
            for (other in listOf(one, three, two.copy(y = three.y))) {
                throws<QuotapassException.NoEvidence> { recover(one, other) }
            }
            throws<QuotapassException.BadInput> { recover(one, two.copy(y = "nonsense")) }
        }
    }
}

// A moderation log in some states, and the development keys of its rooms. `cargo xtask mobile test` makes them.
val FIXTURE = File(System.getenv("FIXTURE"))
val LOG = Properties().apply { File(FIXTURE, "moderation.properties").reader().use { load(it) } }
val LATER = LOG.getProperty("now").toULong()
val LOUNGE = Room.fromPolicyJson(File(FIXTURE, "fixture.json").readText(), "lounge")

fun key(name: String) = File(FIXTURE, "$name.key").readBytes()

fun statement(witness: String = LOG.getProperty("witness"), required: UInt = 1u) =
    LogStatement(LOG.getProperty("origin"), LOG.getProperty("rootKey"), listOf(LOG.getProperty("server")), listOf(witness), required)

/** The servers of a log in one state. */
class States(var state: String? = "first") : LogServers {
    override fun fetch(server: String, log: String, path: String): ByteArray {
        val folder = state ?: throw SourceFailure.Unreachable("there is no network")
        val file = File(FIXTURE, "log/$folder/$log/$path")
        return if (file.isFile) file.readBytes() else throw SourceFailure.NotFound()
    }
}

/** The app's own database, which can fail. */
class Database : LogStore {
    val texts = mutableMapOf<String, String>()
    var fails = false

    override fun load(log: String) = texts[log]

    override fun save(log: String, text: String) {
        if (fails) throw StoreFailure.Failed("the disk is full")
        texts[log] = text
    }
}

/** A relay that answers in turn, and what it was sent. */
class Answers(vararg answers: String) : PostSender {
    private val left = answers.toMutableList()
    val sent = mutableListOf<PostPass>()

    override fun send(post: PostPass): String {
        sent += post
        return left.removeAt(0)
    }
}

/** The member whose post is struck in some states of the log. */
class Struck(world: World) {
    val account = Identity.fromMnemonic(WORDS).account(REGISTRY, 0u)
    val membership = Membership(world.members.append(account.commitment(), 100u, 20.s(), (DAY - 10).s()), account.commitment())
    val roots: Roots
    val server = States()
    val store = Database()
    val lists = open()
    val prover = Prover.load(KeyFiles(KEYS.post), listOf())

    init {
        membership.sync(world.members.head(), world.members)
        roots = Roots(world.members.head().root, listOf())
        prover.addKey(Circuit.AUTHOR, key("author"))
        prover.addKey(Circuit.RECORD16, key("record16"))
    }

    fun open(store: LogStore = this.store, statement: LogStatement = statement()) =
        Lists.open(LOUNGE, listOf(statement), server, store)

    fun prepare(token: CancelToken? = null, stake: UInt? = null) =
        prover.prepare(account, membership, LOUNGE, LATER, token, lists, stake)

    fun ledger(world: World) = Ledger.create(account, world.folders, NOW, History.NONE)
}

fun struck(body: Struck.(World) -> Unit) = world { Struck(this).body(this) }

fun moderation() {
    test("a list is remembered before it is used") {
        struck { _ ->
            store.fails = true
            throws<QuotapassException.LogMemory> { lists.sync(LATER) }
            throws<QuotapassException.ListsMissing> { prepare() }
            store.fails = false
            val state = lists.sync(LATER).single()
            holds(state.log == LOG.getProperty("log") && state.entries == 1u)
            holds(store.texts.getValue(state.log).contains(LOG.getProperty("origin")))
            throws<QuotapassException.ListsMissing> { prover.prepare(account, membership, LOUNGE, LATER) }
            equal(LOUNGE.policy().stakeLevels, listOf(10u, 100u))
        }
    }
    test("settings decide which logs are used") {
        struck { _ ->
            throws<QuotapassException.LogNotNamed> { Lists.open(LOUNGE, listOf(), server, store) }
            throws<QuotapassException.BadInput> { open(statement = statement(required = 2u)) }
            // Attack: a checkpoint for one reader alone.
            val lonely = open(statement = statement(witness = LOG.getProperty("otherWitness")))
            throws<QuotapassException.LogRefused> { lonely.sync(LATER) }
            holds(store.texts.isEmpty())
        }
    }
    test("two histories are proved and an older state is refused") {
        struck { _ ->
            lists.sync(LATER)
            server.state = "forked"
            val forked = throws<QuotapassException.LogForked> { lists.sync(LATER) }
            holds(forked.seen != forked.shown && forked.message == forked.reason)
            server.state = "lifted"
            lists.sync(LATER)
            server.state = "first"
            for (reader in listOf(lists, open())) throws<QuotapassException.LogRefused> { reader.sync(LATER) }
            server.state = null
            throws<QuotapassException.Source> { lists.sync(LATER) }
        }
    }
    test("a folder remembers a log") {
        struck { _ ->
            val folder = Files.createTempDirectory("quotapass-logs").toFile()
            server.state = "own"
            open(LogFolder("$folder/logs")).sync(LATER)
            server.state = "first"
            throws<QuotapassException.LogRefused> { open(LogFolder("$folder/logs")).sync(LATER) }
            folder.deleteRecursively()
        }
    }
    test("posts carry records, and keep the id of a message when a list moves on") {
        struck { world ->
            lists.sync(LATER)
            val steps = Steps()
            val prepared = prepare(steps.token, 100u)
            equal(steps.heard.toList(), listOf(Step.PREPARE, Step.PREPARE_RECORDS))
            val ledger = ledger(world)
            val message = "hello".toByteArray()
            val post = prepared.post(message, ledger, LATER)
            equal(post.encoded.size, 246 + 1 + 25 + 128)
            val verifier = prover.verifier()
            val facts = verifier.verifyPost(LOUNGE, message, post.encoded, roots, LATER, lists)
            holds(facts.nullifier == post.entry.nullifier && facts.minStake == 100u)
            throws<Rejection.ListMismatch> { verifier.verifyPost(LOUNGE, message, post.encoded, roots, LATER) }
            throws<Rejection.NoKey> { VERIFIER.verifyPost(LOUNGE, message, post.encoded, roots, LATER, lists) }
            server.state = "lifted"
            val relay = Answers("list_mismatch", "accepted")
            equal(prepared.send(prover, account, message, ledger, relay, LATER), "accepted")
            holds(relay.sent.size == 2 && relay.sent.all { it.entry == post.entry })
            equal(ledger.quotaLeft(LOUNGE, membership, LATER).used, 1.s())
            val stubborn = Answers("list_mismatch", "list_mismatch", "accepted")
            equal(prepared.send(prover, account, byteArrayOf(1), ledger, stubborn, LATER), "list_mismatch")
            equal(stubborn.sent.size, 2)
            ledger.release()
        }
    }
    test("a struck member learns it first") {
        struck { world ->
            lists.sync(LATER)
            val prepared = prepare()
            equal(lists.strikes(account), listOf())
            server.state = "own"
            val strike = throws<QuotapassException.Struck> { prepared.refresh(prover, account, LATER) }.strikes.single()
            val facts = strike.details!!
            holds(facts.id == LOG.getProperty("strike") && facts.reason == Reason.SPAM && facts.reference == "rule 3")
            holds(facts.until == LOG.getProperty("until").toULong() && facts.text == LOG.getProperty("text"))
            throws<QuotapassException.Struck> { prepare() }
            val stranger = Identity.generate().account(REGISTRY, 0u)
            equal(lists.strikes(stranger), listOf())
            holds(prover.appeal(account, LOUNGE, facts.scope, strike.entry, "It was not.", LATER).contains("appeal"))
            throws<QuotapassException.NotTheAuthor> {
                prover.appeal(stranger, LOUNGE, facts.scope, strike.entry, "It was not.", LATER)
            }
            server.state = "lifted"
            prepared.refresh(prover, account, LATER)
            ledger(world).let { prepared.post(byteArrayOf(1), it, LATER); it.release() }
        }
    }
    test("keys are asked for when they are needed") {
        struck { _ ->
            server.state = "long"
            lists.sync(LATER)
            holds(lists.needLargeKey())
            equal(throws<QuotapassException.KeyNeeded> { prepare() }.circuit, Circuit.RECORD128)
            throws<QuotapassException.Key> { prover.addKey(Circuit.RECORD128, key("record16")) }
            prover.addKey(Circuit.RECORD128, key("record128"))
            prepare()
        }
    }
    test("authors delete their posts and report those of others") {
        struck { world ->
            lists.sync(LATER)
            val ledger = ledger(world)
            val post = prepare().post(byteArrayOf(1), ledger, LATER)
            ledger.release()
            holds(prover.deletion(account, LOUNGE, post.entry, LATER).contains(post.entry.nullifier.removePrefix("0x")))
            throws<QuotapassException.KeyNeeded> { PROVER.deletion(account, LOUNGE, post.entry, LATER) }
            val nullifier = "00" + "11".repeat(31)
            fun report(report: Report, room: Room = LOUNGE) =
                prover.report(account, membership, room, nullifier, report, LATER, lists)
            holds(report(Report(Reason.SPAM)).contains(nullifier))
            throws<QuotapassException.ReportRefused> { report(Report(Reason.SPAM, "look")) }
            val recipients = listOf("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p")
            val moderation = LOUNGE.policy().moderation!!.copy(reportRecipients = recipients)
            val sealed = Room(REGISTRY, LOUNGE.policy().copy(moderation = moderation))
            holds(report(Report(Reason.SPAM, "look"), sealed).length > report(Report(Reason.SPAM)).length)
            throws<QuotapassException.ReportRefused> { report(Report(Reason.CSAM, null, byteArrayOf(1)), sealed) }
        }
    }
}

/** Runs a coroutine, and waits for its result. */
fun <T> blocking(coroutine: suspend () -> T): T {
    val result = CompletableFuture<T>()
    coroutine.startCoroutine(
        Continuation(EmptyCoroutineContext) { outcome ->
            outcome.fold({ result.complete(it) }, { result.completeExceptionally(it) })
        },
    )
    try {
        return result.get()
    } catch (failure: ExecutionException) {
        throw failure.cause!!
    }
}

fun background() {
    test("a coroutine waits for a long call on another thread") {
        world {
            val (ledger, prepared) = ledger() to prepared()
            val threads = mutableListOf<Thread>()
            val listener = object : ProgressListener {
                override fun begins(step: Step) {
                    threads += Thread.currentThread()
                }
            }
            val message = "hello".toByteArray()
            val post = blocking { inBackground { prepared.post(message, ledger, NOW, CancelToken(listener)) } }
            VERIFIER.verifyPost(ROOM, message, post.encoded, roots, NOW)
            holds(threads.isNotEmpty() && Thread.currentThread() !in threads)
            blocking { inBackground { prepared.post(message, ledger, NOW + EPOCH) } }
            throws<QuotapassException.EpochLeft> {
                blocking { inBackground { prepared.post(message, ledger, NOW) } }
            }
        }
    }
}

fun texts() {
    test("the text of an exception is its reason") {
        val mnemonic = throws<QuotapassException.Mnemonic> { Identity.fromMnemonic("abandon art") }
        equal(mnemonic.message, mnemonic.reason)
        val input = throws<QuotapassException.BadInput> { Room(REGISTRY, POLICY.copy(limitCap = 0.s())) }
        equal(input.message, "policy.limit_cap: must not be zero")
        equal(SourceFailure.Unreachable("no network").message, "no network")
        equal(throws<SourceFailure.NotFound> { LocalMembers().bucket(7u) }.message, "there is no such bucket")
        world {
            val sent = prepared().post(byteArrayOf(1), ledger(), NOW).encoded
            val rejection = throws<Rejection.InvalidProof> { VERIFIER.verifyPost(ROOM, byteArrayOf(2), sent, roots, NOW) }
            equal(rejection.message, rejection.reason)
        }
    }
}

fun main() {
    identities()
    rooms()
    memberships()
    keys()
    posts()
    verdicts()
    badges()
    recovery()
    moderation()
    background()
    texts()
    println("$passed passed, $failed failed")
    exitProcess(if (failed == 0) 0 else 1)
}
