// The pages of moderation with a real relay: a post that two members reported is struck, its author appeals, the appeal is
// granted, and the public reads it.
//
// QUOTAPASS_POSTS  a file with the facts of the relay (tests/page/moderated.rs)

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { barriers } from "./axe.js";
import { desktop, launch, screenshot, smallPhone, url } from "./room.js";

const facts = JSON.parse(readFileSync(process.env.QUOTAPASS_POSTS, "utf8"));
let browser;
let shift;
before(async () => {
  browser = await launch();
  shift = facts.now * 1000 - Date.now();
});
after(() => browser?.close());

/** Opens a page at the relay's time. */
async function open(path, options = desktop) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("request", (request) => request.url().startsWith(url) || problems.push(request.url()));
  await page.addInitScript((shift) => {
    const now = Date.now;
    Date.now = () => now() + shift;
  }, shift);
  await page.goto(url + path);
  await page.locator("html[data-ready]").waitFor({ state: "attached" });
  return { page, problems };
}

async function asModerator(name, options) {
  const opened = await open("/moderation", options);
  const { page } = opened;
  await page.locator("#import-name").fill(name);
  await page.getByLabel(/^Secret key/).fill(facts.moderators[name]);
  await page.getByRole("button", { name: "Import" }).click();
  await page.getByRole("heading", { name: "Waiting for a decision" }).waitFor();
  return opened;
}

const card = (page) => page.locator(`li[data-nullifier="${facts.nullifier}"]`);
const submit = (page) => page.locator("dialog[open] button[type=submit]").click();
const said = (page, text) => page.locator("#message", { hasText: text }).waitFor();

/** Loads a page again until it shows something: a checkpoint comes a second after what it has. */
async function until(page, shows) {
  for (let tries = 0; tries < 30 && !(await shows()); tries++) {
    await page.waitForTimeout(500);
    await page.getByRole("button", { name: "Load again" }).click();
  }
  assert.ok(await shows(), "the page does not show what the relay has");
}

test("a strike, an appeal and a lift go from the browser into the relay's log, and everybody reads them", async () => {
  const { page, problems } = await asModerator("alice");
  const post = card(page);
  await post.getByText("2 reports: Spam 2").click();
  assert.equal(await post.locator(".badge").textContent(), "Held");
  assert.equal(await post.locator(".reports > li").count(), 2);
  await post.getByText("Compare a message with the post").click();
  await post.getByLabel(/letter by letter/).fill(facts.message);
  await post.getByRole("button", { name: "Compare" }).click();
  await post.getByText("The message is that of the post.").waitFor();
  await post.getByRole("button", { name: "Strike…" }).click();
  await page.getByLabel("The rule, or the law with its article").fill("rule 3");
  await page.getByLabel("Statement of reasons, for the author").fill("Greetings are not allowed – rule 3.");
  await submit(page);
  await said(page, "The strike is entry");
  await until(page, async () => (await page.locator("#strikes-count").textContent()) === "1");
  assert.deepEqual(await barriers(page), []);

  const sent = await fetch(`${url}/v1/author`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(facts.appeal) });
  assert.equal(sent.status, 200, await sent.text());
  // The other moderator answers, on a phone.
  const other = await asModerator("bob", smallPhone);
  await card(other.page).getByRole("button", { name: "Show the appeal" }).click();
  await card(other.page).getByText("It was a greeting.").waitFor();
  await card(other.page).getByRole("button", { name: "Grant the appeal…" }).click();
  await submit(other.page);
  await said(other.page, "The lift is entry");
  await until(other.page, async () => (await other.page.locator("#strikes-count").textContent()) === "0");

  const log = await open("/moderation/log");
  await log.page.locator("#checked", { hasText: "Checked" }).waitFor();
  const number = (id) => log.page.locator(`#${id}`).textContent();
  assert.deepEqual([await number("in-force"), await number("struck"), await number("granted"), await number("errors")], ["0", "1", "1", "0"]);
  const receipt = log.page.locator("#receipts > li");
  assert.match(await receipt.textContent(), /Spam.*Lifted.*room.*Against the rules: rule 3.*an appeal was granted/s);
  await receipt.getByRole("button", { name: "Read the reasons" }).click();
  await receipt.getByText("Greetings are not allowed – rule 3.").waitFor();
  assert.deepEqual(await barriers(log.page), []);
  await screenshot(log.page, "log-of-a-relay.png");
  assert.deepEqual([...problems, ...other.problems, ...log.problems], []);
});

test("a key that the policy does not name decides nothing", async () => {
  const { page } = await open("/moderation");
  await page.locator("#import-name").fill("mallory");
  await page.getByLabel(/^Secret key/).fill("77".repeat(32));
  await page.getByRole("button", { name: "Import" }).click();
  await page.getByText("does not name this key").waitFor();
  assert.ok(await page.locator("#work").isHidden());
});
