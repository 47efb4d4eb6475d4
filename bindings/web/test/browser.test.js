// Tests of the package in Chromium: worker, key cache, ledger in two tabs, cancellation, and a module that fails.
//
// QUOTAPASS_CHROMIUM  the browser; /usr/bin/chromium if it is not set

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

import { fixture, folder, read, verifyNatively } from "./fixture.js";
import { serve } from "./server.js";

const executablePath = process.env.QUOTAPASS_CHROMIUM ?? "/usr/bin/chromium";
const hashes = Object.fromEntries(["post", "badge", "author", "record16", "record128"].map((name) => [
  name,
  createHash("sha256").update(read(`${name}.key`)).digest("hex"),
]));
let server, isolated, browser;

before(async () => {
  assert.ok(existsSync(executablePath), `no browser at ${executablePath}; install chromium or set QUOTAPASS_CHROMIUM`);
  server = await serve(folder);
  isolated = await serve(folder, { isolated: true });
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  server?.close();
  isolated?.close();
});

/** Opens a page in a context; without one, in a new profile. */
async function open(context, { url } = server) {
  context ??= await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(0);
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  await page.addInitScript((hashes) => (window.hashes = hashes), hashes);
  await page.goto(`${url}/test/page.html`);
  await page.waitForFunction(() => document.title === "ready");
  return { context, page, problems };
}

test("the whole way in a worker: identity, keys, membership, post, verdict, badge", async () => {
  const { context, page, problems } = await open();
  const result = await page.evaluate(async () => {
    const { fixture, room, ready, Ledger } = lab;
    const keys = {
      post: { url: "/fixture/post.key", sha256: hashes.post },
      badge: { url: "/fixture/badge.key", sha256: hashes.badge },
    };
    const { client, identity, account, membership, prover } = await ready({}, keys);
    const ledger = await Ledger.create(client, account, { history: "none" });
    const prepared = await prover.prepare(account, membership, room, { now: fixture.now });
    const post = await prepared.post("from a browser", ledger, { now: fixture.now });
    const verifier = prover.verifier();
    const roots = [fixture.root];
    const verdict = await verifier.verifyPost(room, "from a browser", post.pass, roots, { now: fixture.now });
    const badge = await prover.badge(account, membership, room, new Uint8Array(32).fill(7), { now: fixture.now });
    const badgeVerdict = await verifier.verifyBadge(room, badge.text, roots, { now: fixture.now });
    const words = await identity.mnemonic();
    client.close();
    return {
      words,
      post: { ...post, pass: post.pass.length },
      verdict,
      pseudonym: [badge.pseudonym, badgeVerdict.pseudonym],
      isDevelopment: prover.isDevelopment,
      persisted: typeof ledger.persisted,
    };
  });
  assert.equal(result.words, fixture.mnemonic);
  assert.deepEqual([result.post.left, result.post.pass, result.post.root], [4, 246, fixture.root]);
  assert.equal(result.verdict.verdict, "accepted");
  assert.deepEqual(result.pseudonym, [fixture.badge.pseudonym, fixture.badge.pseudonym]);
  assert.deepEqual([result.isDevelopment, result.persisted], [true, "boolean"]);
  const line = { message: "from a browser", pass: result.post.text, root: fixture.root, now: fixture.now };
  assert.deepEqual(verifyNatively([line]), ["accepted"]);
  assert.deepEqual(problems, []);
  await context.close();
});

test("keys are fetched once with progress, and checked whenever they are read", async () => {
  const { context, page } = await open();
  const fetched = () => server.asked.get("/fixture/post.key") ?? 0;
  const load = (sha256 = hashes.post, url = "/fixture/post.key") =>
    page.evaluate(async ([sha256, url]) => {
      const client = await lab.start();
      const steps = [];
      const onProgress = (progress) => steps.push(progress);
      const code = await lab.code(lab.Prover.load(client, { post: { url, sha256 } }, { onProgress }));
      client.close();
      return { code, steps };
    }, [sha256, url]);

  const length = read("post.key").length;
  const before = fetched();
  const { code, steps } = await load();
  assert.equal(code, "none");
  assert.deepEqual([...new Set(steps.map(({ step }) => step))], ["fetching", "checking", "reading"]);
  assert.equal(steps.at(-1).loaded, length);
  assert.equal(fetched(), before + 1);

  assert.equal((await load()).code, "none");
  assert.equal(fetched(), before + 1, "it came from the cache");

  // One byte of the cache is changed.
  await page.evaluate(async (hash) => {
    const request = (asked) => new Promise((resolve, reject) => Object.assign(asked, { onsuccess: () => resolve(asked.result), onerror: reject }));
    const database = await request(indexedDB.open("quotapass"));
    const keys = database.transaction("keys", "readwrite").objectStore("keys");
    const key = await request(keys.get(hash));
    key[1_000] ^= 1;
    await request(keys.put(key, hash));
    database.close();
  }, hashes.post);
  assert.equal((await load()).code, "none");
  assert.equal(fetched(), before + 2, "a damaged file is fetched again");

  assert.equal((await load("11".repeat(32))).code, "hash_mismatch");
  assert.equal((await load("xyz")).code, "invalid_argument");
  assert.equal((await load("22".repeat(32), "/fixture/none.key")).code, "fetch_failed");
  await context.close();
});

test("two tabs that post at once never use a message id twice, nor more than there are", async () => {
  const first = await open();
  const second = await open(first.context);
  await first.page.evaluate(async () => {
    const { client, account } = await lab.ready();
    await lab.Ledger.create(client, account, { history: "none" });
    client.close();
  });
  // Each tab tries to post more often than the limit allows, with two clients.
  const post = async ({ page }, name) => page.evaluate(async (name) => {
    const { fixture, room } = lab;
    const posts = await Promise.all(["a", "b"].map(async (tab) => {
      const { client, account, membership, prover } = await lab.ready();
      const ledger = await lab.Ledger.open(client, account);
      const prepared = await prover.prepare(account, membership, room, { now: fixture.now });
      const attempts = [0, 1, 2].map((attempt) => {
        const message = `${name} ${tab} ${attempt}`;
        return prepared.post(message, ledger, { now: fixture.now }).then(
          ({ text, nullifier, left }) => ({ message, pass: text, nullifier, left }),
          (error) => ({ code: error.code }),
        );
      });
      return Promise.all(attempts);
    }));
    return posts.flat();
  }, name);
  const posts = (await Promise.all([post(first, "first"), post(second, "second")])).flat();
  const sent = posts.filter(({ pass }) => pass !== undefined);
  assert.equal(posts.length, 12);
  assert.deepEqual([...new Set(posts.map(({ code }) => code))].sort(), ["quota_used", undefined]);
  assert.equal(sent.length, 5);
  // Each nullifier belongs to one message id.
  assert.equal(new Set(sent.map(({ nullifier }) => nullifier)).size, 5);
  assert.deepEqual(sent.map(({ left }) => left).sort(), [0, 1, 2, 3, 4]);
  const lines = sent.map((post) => ({ ...post, root: fixture.root, now: fixture.now }));
  assert.deepEqual(verifyNatively(lines), lines.map(() => "accepted"));
  await first.context.close();
});

test("two tabs that reserve as fast as they can get disjoint ids", async () => {
  const first = await open();
  const second = await open(first.context);
  // Only the ledger's storage, without the slow proofs.
  const hammer = ({ page }) => page.evaluate(async () => {
    const { IndexedDbLedgers } = await import("/dist/ledger-storage.js");
    const ledgers = new IndexedDbLedgers();
    const taken = [];
    for (let i = 0; i < 200; i++) {
      taken.push(await ledgers.change("hammered", (bytes) => {
        const count = bytes === null ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
        const next = new Uint8Array(4);
        new DataView(next.buffer).setUint32(0, count + 1);
        return { bytes: next, result: count };
      }));
    }
    return taken;
  });
  const taken = (await Promise.all([hammer(first), hammer(second)])).flat();
  assert.deepEqual(taken.sort((a, b) => a - b), [...Array(400).keys()]);
  await first.context.close();
});

test("a ledger outlives its page; one that is missing or damaged is an error", async () => {
  const { context, page } = await open();
  const codes = await page.evaluate(async () => {
    const { client, account, membership, prover } = await lab.ready();
    const missing = await lab.code(lab.Ledger.open(client, account));
    const ledger = await lab.Ledger.create(client, account, { history: "none" });
    const exists = await lab.code(lab.Ledger.create(client, account, { history: "none" }));
    const { now } = lab.fixture;
    const prepared = await prover.prepare(account, membership, lab.room, { now });
    await prepared.post("one", ledger, { now });
    return { missing, exists };
  });
  assert.deepEqual(codes, { missing: "ledger_missing", exists: "ledger_exists" });
  await page.close();

  const next = (await open(context)).page;
  const later = await next.evaluate(async () => {
    const { client, account, membership } = await lab.ready();
    const ledger = await lab.Ledger.open(client, account);
    const { used, left } = await ledger.quotaLeft(lab.room, membership, { now: lab.fixture.now });
    const database = await new Promise((resolve) => (indexedDB.open("quotapass").onsuccess = (event) => resolve(event.target.result)));
    const spoil = (value) => new Promise((resolve) => {
      const transaction = database.transaction("ledgers", "readwrite");
      transaction.oncomplete = resolve;
      const store = transaction.objectStore("ledgers");
      store.openCursor().onsuccess = (event) => event.target.result.update(value);
    });
    await spoil(new Uint8Array(50));
    const damaged = await lab.code(lab.Ledger.open(client, account));
    await spoil("not even bytes");
    const foreign = await lab.code(lab.Ledger.open(client, account));
    return { used, left, damaged, foreign };
  });
  assert.deepEqual(later, { used: 1, left: 4, damaged: "ledger_damaged", foreign: "ledger_damaged" });
  await context.close();
});

test("a call that is cancelled ends the worker, and everything goes on", async () => {
  const { context, page } = await open();
  const result = await page.evaluate(async () => {
    const { now } = lab.fixture;
    const { client, identity, account, membership, prover } = await lab.ready();
    const ledger = await lab.Ledger.create(client, account, { history: "none" });
    const commitment = account.commitment();

    // Cancelled while it runs, and while it waits.
    const running = new AbortController();
    const prepare = lab.code(prover.prepare(account, membership, lab.room, { now, signal: running.signal }));
    const waiting = new AbortController();
    const other = lab.code(prover.prepare(account, membership, lab.room, { now, signal: waiting.signal }));
    waiting.abort();
    setTimeout(() => running.abort(), 5);
    const codes = [await prepare, await other];

    // A fetch is cancelled without the worker.
    const fetching = new AbortController();
    const source = { url: "/stalled.key", sha256: "33".repeat(32) };
    const load = lab.code(lab.Prover.load(client, { post: source }, { signal: fetching.signal }));
    setTimeout(() => fetching.abort(), 20);
    codes.push(await load);

    const prepared = await prover.prepare(account, membership, lab.room, { now });
    const { left, text } = await prepared.post("after all", ledger, { now });
    const words = await identity.mnemonic();
    const again = await identity.account(lab.registry);
    return { codes, left, text, words, same: again.commitment() === commitment };
  });
  assert.deepEqual(result.codes, ["aborted", "aborted", "aborted"]);
  assert.deepEqual([result.left, result.words, result.same], [4, fixture.mnemonic, true]);
  const line = { message: "after all", pass: result.text, root: fixture.root, now: fixture.now };
  assert.deepEqual(verifyNatively([line]), ["accepted"]);
  await context.close();
});

test("a module that fails is started anew, and everything goes on", async () => {
  const { context, page } = await open();
  const result = await page.evaluate(async () => {
    const { now } = lab.fixture;
    const options = { worker: "/test/trapping-worker.js" };
    const { client, identity, account, membership, prover } = await lab.ready(options);
    const ledger = await lab.Ledger.create(client, account, { history: "none" });
    const prepared = await prover.prepare(account, membership, lab.room, { now });
    const { left: before } = await prepared.post("before", ledger, { now });
    const trapped = await lab.code(prepared.post("trap", ledger, { now: 666 }));
    const { left: after } = await prepared.post("after", ledger, { now });
    return { before, trapped, after, words: await identity.mnemonic() };
  });
  assert.deepEqual(result, { before: 4, trapped: "trapped", after: 3, words: fixture.mnemonic });
  await context.close();
});

test("the page asks the browser to keep the ledger", async () => {
  const { context, page } = await open();
  const persisted = await page.evaluate(async () => {
    const { setTimeout } = window;
    window.setTimeout = (work, time) => setTimeout(work, time / 20);
    const { client, account } = await lab.ready();
    const refuse = async () => {
      throw new TypeError("storage is forbidden");
    };
    const answers = [];
    for (const persist of [async () => true, async () => false, refuse, () => new Promise(() => undefined)]) {
      navigator.storage.persist = persist;
      const ledger = await lab.Ledger.create(client, account, { history: "unknown", replace: true });
      answers.push(ledger.persisted);
    }
    return answers;
  });
  assert.deepEqual(persisted, [true, false, false, false]);
  await context.close();
});

test("storage that fails or never answers is an error of the call alone", async () => {
  const { context, page } = await open();
  const ways = ["throws", "refuses", "hangs", "closes", "aborts", "stalls"];
  const result = await page.evaluate(async (ways) => {
    const { now } = lab.fixture;
    let workers = 0;
    window.Worker = class extends Worker {
      constructor(...args) {
        super(...args);
        workers += 1;
      }
    };
    const worker = `/test/failing-storage.js?works,${ways},works,${ways}`;
    const { client, account, membership, prover } = await lab.ready({ worker });
    const ledger = await lab.Ledger.create(client, account, { history: "none" });
    const prepared = await prover.prepare(account, membership, lab.room, { now });
    const codes = [];
    for (const way of ways) codes.push(await lab.code(prepared.post(way, ledger, { now })));
    const { left, text } = await prepared.post("after all", ledger, { now });
    for (const _ of ways) codes.push(await lab.code(ledger.confirmCurrent()));
    const { used } = await ledger.quotaLeft(lab.room, membership, { now });
    return { codes, left, text, used, workers };
  }, ways);
  assert.deepEqual(result.codes, Array(12).fill("storage_failed"));
  assert.deepEqual([result.left, result.used, result.workers], [4, 1, 1], "the module has lived on");
  const line = { message: "after all", pass: result.text, root: fixture.root, now: fixture.now };
  assert.deepEqual(verifyNatively([line]), ["accepted"]);
  await context.close();
});

test("keys are fetched if the cache fails or never answers", async () => {
  const { context, page } = await open();
  const before = server.asked.get("/fixture/post.key") ?? 0;
  const codes = await page.evaluate(async (sha256) => {
    const { setTimeout } = window;
    window.setTimeout = (work, time) => setTimeout(work, time / 20);
    const client = await lab.start();
    const codes = [];
    const forbidden = () => {
      throw new DOMException("storage is forbidden", "SecurityError");
    };
    for (const open of [forbidden, () => ({})]) {
      IDBFactory.prototype.open = open;
      codes.push(await lab.code(lab.Prover.load(client, { post: { url: "/fixture/post.key", sha256 } })));
    }
    return codes;
  }, hashes.post);
  assert.deepEqual(codes, ["none", "none"]);
  assert.equal(server.asked.get("/fixture/post.key"), before + 2);
  await context.close();
});

test("a handle that a hot reload left is refused by the new client", async () => {
  const { context, page } = await open();
  const result = await page.evaluate(async () => {
    const { room, registry, fixture: { now }, Ledger, code, ready } = lab;
    const [left, fresh] = [await ready(), await ready()];
    const stranger = await left.identity.account(registry, 1);
    const refused = async () => [
      await code(Ledger.create(fresh.client, stranger, { history: "none" })),
      await code(Ledger.open(fresh.client, stranger)),
      await code(fresh.prover.prepare(stranger, fresh.membership, room, { now })),
      await code(fresh.prover.prepare(fresh.account, left.membership, room, { now })),
      await code(fresh.membership.root()),
    ];
    const codes = [await refused()];
    left.client.close();
    codes.push(await refused());
    await stranger.close();
    codes.push(await refused());

    // No call has made a ledger for the account that has the stranger's number in the new module.
    const missing = await code(Ledger.open(fresh.client, fresh.account));
    const ledger = await Ledger.create(fresh.client, fresh.account, { history: "none" });
    const prepared = await fresh.prover.prepare(fresh.account, fresh.membership, room, { now });
    const { text } = await prepared.post("from the new client", ledger, { now });
    return { codes, missing, closed: await code(left.account.close()), text };
  });
  const others = Array(4).fill("other_client");
  assert.deepEqual(result.codes, Array(3).fill([...others, "none"]));
  assert.deepEqual([result.missing, result.closed], ["ledger_missing", "none"]);
  const line = { message: "from the new client", pass: result.text, root: fixture.root, now: fixture.now };
  assert.deepEqual(verifyNatively([line]), ["accepted"]);
  await context.close();
});

test("a client whose worker or module is not there says so", async () => {
  const { context, page } = await open();
  const codes = await page.evaluate(async () => [
    await lab.code(lab.start({ worker: "/none.js" })),
    await lab.code(lab.start({ wasm: "/none.wasm" })),
  ]);
  assert.deepEqual(codes, ["start_failed", "start_failed"]);
  await context.close();
});

test("threads share a proof where memory can be shared", async () => {
  const { context, page, problems } = await open(undefined, isolated);
  const result = await page.evaluate(async () => {
    const { fixture, room, ready, Ledger } = lab;
    const { now } = fixture;
    const keys = {
      post: { url: "/fixture/post.key", sha256: hashes.post },
      badge: { url: "/fixture/badge.key", sha256: hashes.badge },
    };
    const answers = [];
    window.Worker = class extends Worker {
      constructor(...args) {
        super(...args);
        this.addEventListener("message", ({ data }) => answers.push(data.result));
      }
    };
    const { client, account, membership, prover } = await ready({ threads: 3 }, keys);
    const { threads } = client;
    const ledger = await Ledger.create(client, account, { history: "none" });
    const prepared = await prover.prepare(account, membership, room, { now });
    const first = await prepared.post("on threads", ledger, { now });
    const verdict = await prover.verifier().verifyPost(room, "on threads", first.text, [fixture.root], { now });
    const { pseudonym } = await prover.badge(account, membership, room, new Uint8Array(32), { now });

    // A call that is cancelled while it runs ends all threads; the next call starts new ones.
    const cancelled = new AbortController();
    const preparing = lab.code(prover.prepare(account, membership, room, { now, signal: cancelled.signal }));
    setTimeout(() => cancelled.abort(), 20);
    const code = await preparing;
    const second = await prepared.post("on other threads", ledger, { now });
    const again = client.threads;
    client.close();
    const shared = answers.filter((result) => result?.memory instanceof WebAssembly.Memory).length;
    return { threads: [threads, again, client.threads], answers: answers.length > 0, shared, verdict: verdict.verdict, pseudonym, code, posts: [first.text, second.text], left: second.left };
  });
  assert.deepEqual(result.threads, [3, 3, 0]);
  assert.deepEqual([result.answers, result.shared], [true, 0], "the page held the memory with the secrets");
  assert.deepEqual([result.verdict, result.pseudonym, result.code, result.left], ["accepted", fixture.badge.pseudonym, "aborted", 3]);
  const { root, now } = fixture;
  const lines = ["on threads", "on other threads"].map((message, n) => ({ message, pass: result.posts[n], root, now }));
  assert.deepEqual(verifyNatively(lines), ["accepted", "accepted"]);
  assert.deepEqual(problems, []);
  await context.close();
});

test("the number of threads is that of the cores, and one where there can be no more", async () => {
  const { context, page } = await open(undefined, isolated);
  const threads = (page, options) =>
    page.evaluate(async (options) => {
      const { client, account, membership, prover } = await lab.ready(options);
      const { threads } = client;
      await prover.prepare(account, membership, lab.room, { now: lab.fixture.now });
      client.close();
      return threads;
    }, options);
  const cores = await page.evaluate(() => Math.min(navigator.hardwareConcurrency, 4));
  assert.equal(await threads(page, {}), cores);
  assert.equal(await threads(page, { threads: 1 }), 1);
  assert.equal(await threads(page, { threads: 2, wasmThreads: "/none.wasm" }), 1, "the module is not served");
  assert.equal(await threads(page, { threads: 2, worker: "/test/trapping-thread.js" }), 1, "a thread ends at once");
  const { page: unshared } = await open(context);
  assert.equal(await threads(unshared, { threads: 2 }), 1, "the page is not isolated");
  const code = await page.evaluate(() => lab.code(lab.start({ threads: 0 })));
  assert.equal(code, "invalid_argument");
  await context.close();
});

test("a room with lists in a worker: records, a list that moves on, a strike, and what is remembered by all tabs", async () => {
  const { context, page, problems } = await open();
  server.log.state = "first";
  const { now, log, strike, text } = fixture.moderation;
  await page.evaluate(async (now) => {
    const { fixture, Room, Lists, Ledger } = lab;
    const source = (name) => ({ url: `/fixture/${name}.key`, sha256: hashes[name] });
    const keys = Object.fromEntries(["post", "author", "record16", "record128"].map((name) => [name, source(name)]));
    const room = Room.fromPolicy(fixture, "lounge");
    const settings = { ...fixture.moderation.settings, servers: [location.origin] };
    const ready = await lab.ready({}, keys);
    const lists = await Lists.open(ready.client, room, [settings]);
    await lists.sync({ now });
    const ledger = await Ledger.create(ready.client, ready.account, { history: "none" });
    window.own = { ...ready, room, settings, lists, ledger };
  }, now);
  assert.equal(server.asked.get("/fixture/record16.key"), undefined, "a key is fetched when it is needed");
  const first = await page.evaluate(async (now) => {
    const { prover, account, membership, room, lists, ledger } = own;
    const progress = [];
    own.prepared = await prover.prepare(account, membership, room, { lists, now, onProgress: (step) => progress.push(step) });
    const { text, nullifier } = await own.prepared.post("from a browser", ledger, { now });
    return { text, nullifier, progress };
  }, now);
  assert.deepEqual(first.progress, [{ list: 0, lists: 1, entries: 1 }, { list: 1, lists: 1, entries: 0 }]);
  assert.deepEqual([server.asked.get("/fixture/record16.key"), server.asked.get("/fixture/record128.key")], [1, undefined]);

  // A call that is cancelled ends the worker. The next one reads the list again, and keeps the message's id.
  server.log.state = "lifted";
  const again = await page.evaluate(async (now) => {
    const controller = new AbortController();
    const cancelled = lab.code(own.prepared.post("cancelled", own.ledger, { now, signal: controller.signal }));
    // It runs: a proof takes longer.
    setTimeout(() => controller.abort(), 30);
    const code = await cancelled;
    const { text, nullifier } = await own.prepared.post("from a browser", own.ledger, { now });
    return { code, text, nullifier };
  }, now);
  assert.deepEqual([again.code, again.nullifier], ["aborted", first.nullifier]);
  const line = { message: "from a browser", root: fixture.root, now };
  const lines = [{ ...line, pass: first.text, state: "first" }, { ...line, pass: again.text, state: "lifted" }];
  assert.deepEqual(verifyNatively(lines), ["accepted", "accepted"]);

  // Another tab of this origin remembers the newer state.
  server.log.state = "own";
  const { page: other } = await open(context);
  const codes = await other.evaluate(async (now) => {
    const room = lab.Room.fromPolicy(lab.fixture, "lounge");
    const settings = { ...lab.fixture.moderation.settings, servers: [location.origin] };
    const client = await lab.start();
    const lists = await lab.Lists.open(client, room, [settings]);
    const code = await lab.code(lists.sync({ now }));
    client.close();
    return code;
  }, now);
  assert.equal(codes, "log_refused");

  // A profile that has not seen the log yet is told of the strike.
  const { context: fresh, page: told } = await open();
  const error = await told.evaluate(async (now) => {
    const room = lab.Room.fromPolicy(lab.fixture, "lounge");
    const settings = { ...lab.fixture.moderation.settings, servers: [location.origin] };
    const { client, account, membership, prover } = await lab.ready();
    const lists = await lab.Lists.open(client, room, [settings]);
    await lists.sync({ now });
    try {
      await prover.prepare(account, membership, room, { lists, now });
      return null;
    } catch (error) {
      return { code: error.code, strikes: error.strikes };
    } finally {
      client.close();
    }
  }, now);
  assert.equal(error.code, "struck");
  assert.deepEqual([error.strikes[0].log, error.strikes[0].details.id, error.strikes[0].details.text], [log, strike, text]);
  assert.deepEqual(problems, []);
  server.log.state = "first";
  await fresh.close();
  await context.close();
});
