// A program that depends on the jar: one post, proved and verified. `cargo xtask release maven --test` runs it.

import java.nio.file.Files
import org.quotapass.*

const val NOW = 1_800_000_000UL

fun main() {
    val folder = Files.createTempDirectory("quotapass").toFile()
    try {
        val registry = Registry(31_337UL, "0x" + "11".repeat(20))
        val room = Room(registry, RoomPolicy("lobby", 600u, 5.toUShort(), 0u, 0.toUShort(), 3_600u, 30u))
        val account = Identity.generate().account(registry, 0u)
        val members = LocalMembers()
        val index = members.append(account.commitment(), 100u, 20.toUShort(), (NOW / 86_400UL).toUShort())
        val membership = Membership(index, account.commitment()).apply { sync(members.head(), members) }
        val prover = Prover.load(developmentKeys(), listOf())
        val ledger = Ledger.create(account, LedgerFolders("$folder/ledgers", "$folder/witnesses"), NOW, History.NONE)
        val post = prover.prepare(account, membership, room, NOW).post("hello".toByteArray(), ledger, NOW)
        check(post.left.toInt() == 4) { "${post.left} messages left" }
        val roots = Roots(members.head().root, listOf())
        prover.verifier().verifyPost(room, "hello".toByteArray(), post.encoded, roots, NOW)
        try {
            prover.verifier().verifyPost(room, "other".toByteArray(), post.encoded, roots, NOW)
            error("a post of another message was accepted")
        } catch (expected: Rejection) {
            println("the jar works")
        }
    } finally {
        folder.deleteRecursively()
    }
}
