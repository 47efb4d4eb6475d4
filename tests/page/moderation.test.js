// The moderators' page of a relay in Chromium, with a stand-in for the routes under /v1/moderation.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { barriers } from "./axe.js";
import { desktop, launch, phone, screenshot, smallPhone, url } from "./room.js";
import { item, key, registry, report, StandIn } from "./standin.js";

const MESSAGE = "Buy cheap watches at …";
let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

/** Opens a page of the relay in a new profile, with a stand-in; without one, the relay itself answers. */
async function open(standIn, options = desktop, path = "/moderation", script = () => {}) {
  const context = await browser.newContext({ ...options, acceptDownloads: true });
  await context.addInitScript(script);
  const page = await context.newPage();
  const [problems, sent] = [[], []];
  page.on("console", (message) => message.type() === "error" && !/status of (404|503)/.test(message.text()) && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("request", (request) => {
    sent.push(JSON.stringify([request.url(), request.headers(), request.postData()]));
    if (!request.url().startsWith(url) && !request.url().startsWith("blob:")) problems.push(request.url());
  });
  if (standIn) {
    await context.route(/\/v1\/moderation/, async (route) => {
      const request = route.request();
      const { pathname, search } = new URL(request.url());
      const { status = 200, json, bytes } = await standIn.answer(request.method(), pathname + search, request.headers(), request.postDataBuffer() ?? Buffer.alloc(0));
      await route.fulfill(json ? { status, json } : { status, body: bytes, contentType: "application/octet-stream" }).catch(() => {});
    });
    await context.route(/\/v1\/policy/, (route) => route.fulfill({ json: { registry: { chain_id: Number(registry.chain_id), address: `0x${registry.address}` } } }));
  }
  await page.goto(url + path);
  await page.locator("html[data-ready]").waitFor({ state: "attached" });
  return { page, problems, sent };
}

async function importKey(page, { line }) {
  await page.getByLabel(/^Secret key/).fill(line);
  await page.getByRole("button", { name: "Import" }).click();
  await page.getByText("The key is in this browser.").waitFor();
}

/** Fails if something is wider than a screen of 360 pixels. */
async function fits(page) {
  const wide = await page.evaluate(() => [...document.querySelectorAll("main *")].filter((node) => !node.closest("pre, .scroll, .veiled")
    && node.getBoundingClientRect().right > 360).map((node) => node.outerHTML.slice(0, 200)));
  assert.deepEqual(wide, [], "it is wider than the screen");
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360, "it is wider than the screen");
}

const card = (page, { nullifier }) => page.locator(`li[data-nullifier="${nullifier}"]`);
const said = (page, text) => page.locator("#message", { hasText: text }).waitFor();
const submit = (page) => page.locator("dialog[open] button[type=submit]").click();

/** A log with a reported post, a struck one whose author appealed, and one that was hidden. */
async function moderated(moderators, threshold = 1) {
  const standIn = await StandIn.create(moderators, threshold);
  const held = item(MESSAGE, { state: "held", reports: [report({ reason: "spam" }), report(null), report({ reason: "spam", message: "words that the author never wrote" })] });
  const struck = item("I hate watches", { state: "hidden", appeal: { at: "2026-11-20T12:00:00Z", text: "It was a joke." } });
  struck.strike = await standIn.strike(struck, moderators.slice(0, threshold), { reason: "hate" });
  await standIn.publish();
  const hidden = item("hidden", { state: "hidden" });
  for (const post of [held, struck, hidden]) standIn.items.set(post.nullifier, post);
  return { standIn, held, struck, hidden };
}

test("a relay without moderation says so", async () => {
  for (const [path, text] of [["/moderation", "no moderation log of its own"], ["/moderation/log", "has no moderation log"]]) {
    const { page, problems } = await open(null, desktop, path);
    await page.getByText(text).waitFor();
    assert.deepEqual(await barriers(page), []);
    assert.deepEqual(problems, []);
  }
});

test("a key is created in the browser, and never leaves it", async () => {
  const alice = await key("alice");
  const { standIn } = await moderated([alice]);
  const { page, problems } = await open(standIn);
  await page.locator("#create-name").fill("two words");
  await page.getByRole("button", { name: "Create" }).click();
  assert.ok(await page.locator("#has-key").isHidden(), "a name with a space is taken");
  await page.locator("#create-name").fill("carol");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByText("does not name this key").waitFor();
  const vkey = await page.locator("#vkey").textContent();
  assert.match(vkey, /^carol\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$/);
  const kept = await page.evaluate(async () => {
    const database = await new Promise((resolve) => (indexedDB.open("quotapass-moderation").onsuccess = (event) => resolve(event.target.result)));
    const request = database.transaction("keys").objectStore("keys").getAll();
    const [{ privateKey }] = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
    const exported = await Promise.all(["raw", "pkcs8", "jwk"].map((form) => crypto.subtle.exportKey(form, privateKey).then(() => form, () => null)));
    return { extractable: privateKey.extractable, usages: privateKey.usages, exported };
  });
  assert.deepEqual(kept, { extractable: false, usages: ["sign"], exported: [null, null, null] });

  // The operator names the key, and it is still there after a reload.
  await standIn.setPolicy([alice.vkey, vkey], 1);
  await page.reload();
  await page.getByRole("heading", { name: "Waiting for a decision" }).waitFor();
  assert.equal(await page.locator("#vkey").textContent(), vkey);

  await page.getByRole("button", { name: "Delete the key…" }).click();
  await submit(page);
  await page.getByRole("heading", { name: "Create a key" }).waitFor();
  assert.ok(await page.locator("#work").isHidden());
  assert.deepEqual(problems, []);
});

test("reports are hidden, texts are blurred, and a strike takes two clicks", async () => {
  const alice = await key("alice");
  const { standIn, held } = await moderated([alice]);
  const { page, problems, sent } = await open(standIn);
  await importKey(page, alice);
  assert.equal(await page.locator("#import-secret").inputValue(), "");
  const post = card(page, held);
  assert.equal(await post.locator(".reports > li").count(), 0, "reports are there before a click");
  await post.getByText("3 reports: Spam 2").click();
  await post.locator(".reports > li").nth(2).waitFor();
  assert.equal(await post.locator(".reports > li").count(), 3);

  // A report with words that the author never wrote.
  await post.getByText("This is not the message of the post.").waitFor();
  const veil = post.locator(".veiled").first();
  const filter = () => veil.locator("> *").evaluate((node) => getComputedStyle(node).filter);
  assert.match(await filter(), /blur.*grayscale/);
  assert.equal(await veil.getAttribute("aria-hidden"), "true");
  await screenshot(page, "moderation-blurred.png");
  await post.getByRole("button", { name: "Show the message" }).first().click();
  await page.waitForFunction((node) => getComputedStyle(node).filter === "none", await veil.locator("> *").elementHandle());
  assert.equal(await veil.getAttribute("aria-hidden"), "false");

  // An encrypted report is downloaded, and decrypted elsewhere.
  assert.match(await post.locator("pre").textContent(), /^age --decrypt --identity key.txt --output report-[0-9a-f]{12}-2.json report-[0-9a-f]{12}-2.age$/);
  const [file] = await Promise.all([page.waitForEvent("download"), post.getByRole("button", { name: "Download the report" }).click()]);
  assert.match(readFileSync(await file.path(), "utf8"), /^age-encryption.org/);
  const decrypted = JSON.stringify({ reason: "spam", comment: "<b>an advertisement</b>", message: MESSAGE });
  const upload = (text) => post.getByLabel(/decrypted file/).setInputFiles({ name: "report.json", mimeType: "application/json", buffer: Buffer.from(text) });
  await upload("not a report");
  await page.locator("#problem", { hasText: "decrypt the file with the command" }).waitFor();
  await upload(decrypted);
  await post.getByText("The message is that of the post.").waitFor();
  assert.equal(await post.locator("b").count(), 0, "text became markup");

  // The first strike names the rule; the next one has it already.
  await post.getByRole("button", { name: "Strike…" }).click();
  assert.deepEqual(await barriers(page), []);
  await screenshot(page, "moderation-strike.png");
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Strike…", "the focus is lost");
  await post.getByRole("button", { name: "Strike…" }).click();
  await page.getByLabel("The rule, or the law with its article").fill("rule 3");
  await submit(page);
  await said(page, "The strike is entry 2 of the log.");
  const [[path, request]] = standIn.received;
  const value = JSON.parse(request.leaf.split("\n")[0]);
  assert.equal(path, "entries");
  assert.equal(request.message, MESSAGE);
  assert.deepEqual([value.reason, value.ground, value.entry.x], ["spam", { kind: "incompatible", reference: "rule 3" }, held.x]);
  assert.ok(Math.abs(Date.parse(value.until) - Date.now() - 180 * 86_400_000) < 60_000);
  await page.locator("#strikes-count", { hasText: "2" }).waitFor();
  await screenshot(page, "moderation.png");

  const other = item("another");
  standIn.items.set(other.nullifier, { ...other, reports: [report({ reason: "csam" })] });
  standIn.emit("held", other);
  await card(page, other).waitFor();
  await card(page, other).getByRole("button", { name: "Strike…" }).click();
  assert.equal(await page.locator("#strike-reason").inputValue(), "csam");
  await page.keyboard.press("Enter");
  await said(page, "The strike is entry 3 of the log.");
  assert.deepEqual([standIn.received[1][1].message, standIn.received[1][1].withheld], [undefined, "it must not be copied"]);

  // The secret is in no request.
  for (const secret of [alice.seed, alice.line, Buffer.from(alice.seed, "hex").toString("base64")]) {
    assert.ok(!sent.some((request) => request.includes(secret)), "a request has the secret key");
  }
  assert.deepEqual(problems, []);
});

test("a message that a moderator knows is compared with the post", async () => {
  const alice = await key("alice");
  const { standIn, held } = await moderated([alice]);
  const { page } = await open(standIn);
  await importKey(page, alice);
  const post = card(page, held);
  await post.getByText("Compare a message with the post").click();
  for (const [text, verdict] of [["other words", "This is not the message"], [MESSAGE, "The message is that of the post."]]) {
    await post.getByLabel(/letter by letter/).fill(text);
    await post.getByRole("button", { name: "Compare" }).click();
    await post.getByRole("status").filter({ hasText: verdict }).waitFor();
  }
});

test("posts are kept and hidden, appeals granted and refused, strikes lifted", async () => {
  const alice = await key("alice");
  const { standIn, held, struck, hidden } = await moderated([alice]);
  const other = item("other", { state: "hidden", appeal: { at: "2026-11-20T12:00:00Z", text: "Please." } });
  other.strike = await standIn.strike(other, [alice]);
  const last = item("last", { state: "hidden" });
  last.strike = await standIn.strike(last, [alice]);
  await standIn.publish();
  for (const post of [other, last]) standIn.items.set(post.nullifier, post);
  const { page, problems } = await open(standIn);
  await importKey(page, alice);
  assert.equal(await page.locator("#appeals > li").count(), 2);

  await card(page, held).getByRole("button", { name: "Hide" }).click();
  await said(page, "The post is hidden.");
  await card(page, hidden).getByRole("button", { name: "Keep" }).click();
  await said(page, "The post is kept");
  await card(page, struck).getByRole("button", { name: "Show the appeal" }).click();
  await card(page, struck).getByRole("button", { name: "Grant the appeal…" }).click();
  await submit(page);
  await said(page, "The lift is entry");
  await card(page, other).getByRole("button", { name: "Refuse the appeal…" }).click();
  await page.getByLabel("Why it is refused, for the author").fill("It was no joke.");
  await submit(page);
  await said(page, "The appeal is refused");
  assert.equal(await page.locator("#appeals > li").count(), 0);
  await page.getByRole("button", { name: `Lift the strike ${last.strike}` }).click();
  await submit(page);
  await page.locator("#strikes-count", { hasText: "1" }).waitFor();

  const received = standIn.received.map(([path, body]) => [path, body.leaf ? JSON.parse(body.leaf.split("\n")[0]) : body]);
  assert.deepEqual(received.map(([path, { decision, because, text, strike }]) => [path, decision ?? because ?? text, strike]), [
    ["decisions", "hide", undefined], ["decisions", "keep", undefined], ["entries", "appeal", struck.strike],
    ["answers", "It was no joke.", other.strike], ["entries", "error", last.strike],
  ]);
  assert.deepEqual(problems, []);
});

test("with a threshold of two, a file goes from one moderator to the next", async () => {
  const [alice, bob] = [await key("alice"), await key("bob")];
  const { standIn, held } = await moderated([alice, bob], 2);
  const first = await open(standIn);
  await importKey(first.page, alice);
  await card(first.page, held).getByRole("button", { name: "Strike…" }).click();
  await first.page.getByLabel("The rule, or the law with its article").fill("rule 3");
  await submit(first.page);
  await said(first.page, "1 more signature is needed");
  assert.deepEqual(standIn.received, []);
  const [download] = await Promise.all([first.page.waitForEvent("download"), first.page.getByRole("button", { name: "Download the file" }).click()]);
  assert.match(download.suggestedFilename(), /^strike-[0-9a-f-]{36}\.json$/);
  const file = readFileSync(await download.path(), "utf8");

  const second = await open(standIn, smallPhone);
  await importKey(second.page, bob);
  const hand = (text) => second.page.locator("#handed-file").setInputFiles({ name: "strike.json", mimeType: "application/json", buffer: Buffer.from(text) });
  await hand(file.replace('\\"reason\\":\\"spam\\"', '\\"reason\\":\\"hate\\"'));
  await second.page.locator("#problem", { hasText: "does not match the entry" }).waitFor();
  await hand(file);
  const shown = second.page.locator("#handed");
  await shown.getByText("Incompatible").or(shown.getByText("Against the rules: rule 3")).waitFor();
  assert.match(await shown.textContent(), /A post is struck.*Signed byalice/s);
  await fits(second.page);
  assert.deepEqual(await barriers(second.page), []);
  await screenshot(second.page, "moderation-handed.png");
  await shown.getByRole("button", { name: "Sign and submit" }).click();
  await said(second.page, "The strike is entry 2 of the log.");
  assert.equal(standIn.received[0][1].leaf.split("\n").length, 4, "two signature lines");

  // The one who signed first is not asked again.
  await first.page.locator("#handed-file").setInputFiles({ name: "strike.json", mimeType: "application/json", buffer: Buffer.from(file) });
  await first.page.getByText("You have signed it.").waitFor();
  assert.deepEqual([...first.problems, ...second.problems], []);
});

test("errors say what to do, and nothing is lost", async () => {
  const alice = await key("alice");
  const { standIn, held } = await moderated([alice]);
  const { page } = await open(standIn);
  await page.getByLabel(/^Secret key/).fill("secret words");
  await page.getByRole("button", { name: "Import" }).click();
  await page.locator("#problem", { hasText: "not a secret key" }).waitFor();
  assert.ok(!(await page.locator("#problem").textContent()).includes("secret words"));
  await importKey(page, alice);
  await card(page, held).getByRole("button", { name: "Strike…" }).click();
  await page.getByLabel("The rule, or the law with its article").fill("rule 3");
  await page.getByLabel("Statement of reasons, for the author").fill("My own words.");
  standIn.fails = 503;
  await submit(page);
  await page.locator("#strike-problem", { hasText: "overloaded; try again in a minute" }).waitFor();
  assert.equal(await page.getByLabel("Statement of reasons, for the author").inputValue(), "My own words.");
  standIn.fails = null;
  await submit(page);
  await said(page, "The strike is entry 2 of the log.");
  // A relay that shows another log than it signed.
  await standIn.publish((leaves) => leaves.toSpliced(1, 1, leaves[0]));
  await page.getByRole("button", { name: "Load again" }).click();
  await page.locator("#problem", { hasText: "another log than it signed" }).waitFor();
});

test("it works on a phone, in the dark, by keyboard and with a screen reader", async () => {
  const alice = await key("alice");
  const { standIn, held } = await moderated([alice]);
  const { page, problems } = await open(standIn, { ...phone, viewport: { width: 360, height: 740 }, reducedMotion: "reduce" });
  assert.deepEqual(await barriers(page), []);
  await importKey(page, alice);
  await card(page, held).getByText("3 reports").click();
  await card(page, held).locator(".reports pre").waitFor();
  await fits(page);
  const paper = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  assert.ok(paper.match(/\d+/g).every((part) => Number(part) < 60), `${paper} is not dark`);
  assert.equal(await page.locator(".veiled").first().evaluate((node) => getComputedStyle(node).transitionDuration), "0s");
  assert.deepEqual(await barriers(page), []);
  await screenshot(page, "moderation-phone.png");
  await card(page, held).getByRole("button", { name: "Strike…" }).focus();
  await page.keyboard.press("Enter");
  await page.keyboard.type("rule 3");
  await page.keyboard.press("Enter");
  await said(page, "The strike is entry 2 of the log.");
  assert.deepEqual(problems, []);

  const desk = (await open(standIn)).page;
  await desk.keyboard.press("Tab");
  assert.equal(await desk.evaluate(() => document.activeElement.className), "skip");
  await desk.keyboard.press("Enter");
  assert.equal(await desk.evaluate(() => document.activeElement.id), "main");
  assert.equal(await desk.locator("html").getAttribute("lang"), "en");
  assert.equal(await desk.locator("main").count(), 1);
});

test("the public log shows receipts, also of thousands", async () => {
  const alice = await key("alice");
  const standIn = await StandIn.create([alice], 1);
  const choices = [{ reason: "spam" }, { reason: "hate", ground: "illegal", reference: "§ 130 StGB" }, { reason: "other", until: "never" }];
  for (let number = 0; number < 1_500; number++) {
    const id = await standIn.strike(item(String(number)), [alice], choices[number % 3]);
    if (number % 2 === 0) await standIn.lift(id, number % 6 === 0 ? "appeal" : "error", [alice]);
  }
  await standIn.publish();
  const { page, problems } = await open(standIn, desktop, "/moderation/log");
  await page.locator("#checked", { hasText: "Checked" }).waitFor();
  const number = async (id) => Number((await page.locator(`#${id}`).textContent()).replaceAll(/\D/g, ""));
  assert.deepEqual([await number("in-force"), await number("struck"), await number("granted"), await number("errors")], [750, 1_500, 250, 500]);
  assert.match(await page.locator("#rule").textContent(), /2,251 entries\. A decision needs 1 signature of 1 moderator\./);
  assert.equal(await page.locator("#receipts > li").count(), 50);
  const newest = page.locator("#receipts > li").first();
  assert.match(await newest.textContent(), /Other.*In force.*with 1 signature.*without end.*entry 2,250/s);
  assert.match(await page.locator("#receipts > li").nth(1).textContent(), /Hate.*Lifted.*Illegal: § 130 StGB.*it was an error; 1 signature/s);
  await newest.getByRole("button", { name: "Read the reasons" }).click();
  await newest.getByText("Rule 3 says: no advertisements.").waitFor();
  await page.getByRole("button", { name: "Show 50 more of 1,450" }).click();
  assert.equal(await page.locator("#receipts > li").count(), 100);
  assert.ok(await page.evaluate(() => document.activeElement.closest("li") === document.querySelectorAll("#receipts > li")[50]), "the focus is not on the next receipt");
  assert.deepEqual(await barriers(page), []);
  await page.evaluate(() => scrollTo(0, 0));
  await screenshot(page, "log.png", 1300);

  const small = await open(standIn, { ...smallPhone, colorScheme: "dark" }, "/moderation/log");
  await small.page.locator("#checked", { hasText: "Checked" }).waitFor();
  await fits(small.page);
  assert.deepEqual(await barriers(small.page), []);
  await screenshot(small.page, "log-dark-phone.png", 1400);
  assert.deepEqual([...problems, ...small.problems], []);
});

test("a public log that was changed is not shown as valid, and an erased text is told", async () => {
  const alice = await key("alice");
  const standIn = await StandIn.create([alice], 1);
  await standIn.strike(item("one"), [alice]);
  await standIn.publish();
  standIn.texts.clear();
  const { page } = await open(standIn, desktop, "/moderation/log");
  await page.getByRole("button", { name: "Read the reasons" }).click();
  await page.getByText("The text was erased").waitFor();
  await standIn.publish((leaves) => [leaves[0], leaves[1].replace("spam", "hate")]);
  await page.reload();
  await page.locator("#checked", { hasText: "Not valid" }).waitFor();
  await page.locator("#problem", { hasText: "another log than it signed" }).waitFor();
});

test("a browser without WebCrypto shows the log, says that it is not checked, and keeps no key", async () => {
  const alice = await key("alice");
  const { standIn } = await moderated([alice]);
  const without = () => Object.defineProperty(crypto, "subtle", { value: undefined });
  const { page } = await open(standIn, desktop, "/moderation/log", without);
  await page.locator("#checked", { hasText: "Not checked" }).waitFor();
  await page.getByText("open this page over https").waitFor();
  assert.equal(await page.locator("#receipts > li").count(), 1);
  await page.getByRole("button", { name: "Read the reasons" }).click();
  await page.locator("#problem", { hasText: "cannot check the statement of reasons here" }).waitFor();
  const moderators = (await open(standIn, desktop, "/moderation", without)).page;
  await moderators.locator("#problem", { hasText: "cannot sign with Ed25519" }).waitFor();
  assert.ok(await moderators.locator("#content").isHidden());
});
