// Opens the chat room of `quotapass demo --web` in Chromium, as two people.
//
// QUOTAPASS_URL          the address of the room
// QUOTAPASS_CHROMIUM     the browser; /usr/bin/chromium if it is not set
// QUOTAPASS_SCREENSHOTS  a folder for screenshots; none are kept if it is not set

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { chromium, devices } from "playwright-core";

const url = process.env.QUOTAPASS_URL;
const executablePath = process.env.QUOTAPASS_CHROMIUM ?? "/usr/bin/chromium";
/** An epoch of the room has 60 seconds, and may end at any moment. */
const timeout = 90_000;

let browser;
let anna;
let boris;

before(async () => {
  assert.ok(existsSync(executablePath), `no browser at ${executablePath}; install chromium or set QUOTAPASS_CHROMIUM`);
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  anna = await open({ viewport: { width: 1000, height: 1100 }, colorScheme: "light" });
  const { viewport, deviceScaleFactor, isMobile, hasTouch } = devices["Pixel 7"];
  boris = await open({ viewport, deviceScaleFactor, isMobile, hasTouch, colorScheme: "dark" });
});

after(() => browser?.close());

/** Opens the room as a new member with a separate browser context. Returns the page, and its list of problems. */
async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(timeout);
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("request", (request) => request.url().startsWith(new URL(url).origin) || problems.push(request.url()));
  await page.goto(url);
  await page.getByRole("button", { name: "Lock a deposit and join" }).click();
  await state(page, "Ready");
  assert.ok(await page.evaluate(() => crossOriginIsolated), "the page cannot share memory between threads");
  return { page, problems };
}

const state = (page, text) => page.locator("#state", { hasText: new RegExp(`^${text}$`) }).waitFor();
const text = (page, id) => page.locator(`#${id}`).textContent();
const lines = (page, message, verdict) => page.locator("#lines > li", { hasText: message }).filter({ hasText: verdict });

/** Types a message, sends it with the Enter key, and waits for the answer. */
async function say(page, message) {
  const field = page.getByLabel("Your message");
  const before = await page.locator("#answer").textContent();
  await page.waitForFunction(() => !document.getElementById("send").disabled);
  await page.locator("#answer").evaluate((answer) => (answer.textContent = ""));
  await field.fill(message);
  await field.press("Enter");
  await page.waitForFunction(() => document.getElementById("answer").textContent !== "");
  return (await text(page, "answer")) || before;
}

async function screenshot(page, name) {
  const folder = process.env.QUOTAPASS_SCREENSHOTS;
  if (folder) await page.screenshot({ path: join(folder, name), fullPage: true });
}

test("what one writes the other sees, and the relay sees no name", async () => {
  assert.match(await say(anna.page, "Good evening"), /^Accepted; \d messages left\.$/);
  assert.match(await say(boris.page, "Good evening to you"), /^Accepted/);
  await lines(boris.page, "Good evening", "Accepted").first().waitFor();
  const line = lines(anna.page, "Good evening to you", "Accepted");
  await line.waitFor();
  await line.getByText("What the relay saw").click();
  const seen = await line.locator("table").textContent();
  assert.match(seen, /nullifier0x[0-9a-f]{64}/);
  const { commitment } = await boris.page.evaluate(() => ({ commitment: document.getElementById("identity").textContent }));
  assert.ok(!seen.includes(commitment.slice(0, 8)), "the pass names its member");
  assert.match(await text(anna.page, "hidden"), /^\d+ members$/);
  assert.match(await text(anna.page, "took"), /^\d+ ms$/);
  await screenshot(anna.page, "demo-light.png");
});

test("the browser refuses what would be too much", async () => {
  for (let sent = 0; sent < 30; sent += 1) {
    const answer = await say(anna.page, `and ${sent}`);
    if (answer.startsWith("Accepted")) continue;
    assert.match(answer, /^Not sent, by your own browser: .*quota/);
    assert.equal(await text(anna.page, "left"), "0");
    return;
  }
  assert.fail("thirty messages were sent, and none was refused");
});

test("a member has one name", async () => {
  const make = anna.page.getByRole("button", { name: "Make a badge for a new chat key" });
  await make.click();
  await anna.page.locator("#badges", { hasText: "this is its chat key from now on" }).waitFor();
  await make.click();
  await anna.page.locator("#badges", { hasText: "it has another chat key already" }).waitFor();
});

test("whoever puts an old count back loses the deposit, and both see it", async () => {
  const cheat = boris.page.getByRole("button", { name: "Put back an old count" });
  // If an epoch ended since the last message, its numbers are free, and the next try finds them used.
  for (let tries = 0; tries < 5 && (await text(boris.page, "state")) !== "Slashed"; tries += 1) {
    assert.match(await say(boris.page, `Try ${tries}`), /^(Accepted|Not sent|Refused)/);
    if (await cheat.isEnabled()) await cheat.click();
    const caught = lines(boris.page, "coin!", /quota exceeded|slashed member/).first();
    await caught.or(lines(boris.page, "Buy my other coin!", "Accepted").nth(tries)).first().waitFor();
    await boris.page.waitForTimeout(500);
  }
  await state(boris.page, "Slashed");
  await lines(anna.page, "coin!", "quota exceeded").first().waitFor();
  for (const { page } of [anna, boris]) {
    await page.locator("#events > li", { hasText: "give away the secret" }).waitFor();
    await page.locator("#events > li", { hasText: "is slashed" }).waitFor();
  }
  assert.equal(await text(boris.page, "deposit"), "lost");
  assert.ok(await boris.page.getByLabel("Your message").isDisabled());
  assert.match(await say(anna.page, "I am still here"), /^(Accepted|Not sent)/);
  await screenshot(boris.page, "demo-dark-phone.png");
});

test("a tab that is loaded again is the same member", async () => {
  const before = await text(anna.page, "identity");
  await anna.page.reload();
  await state(anna.page, "Ready");
  assert.equal(await text(anna.page, "identity"), before);
});

test("it fits a phone, and everything has a name", async () => {
  for (const { page } of [anna, boris]) {
    const tooWide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
    assert.ok(!tooWide, "the page scrolls sideways");
    const nameless = await page.locator("button, input, a, [role=log]").evaluateAll((all) => {
      const hasName = (one) => one.textContent.trim() || one.labels?.length || one.getAttribute("aria-labelledby");
      return all.filter((one) => !hasName(one)).map((one) => one.outerHTML);
    });
    assert.deepEqual(nameless, []);
  }
  assert.deepEqual(anna.problems, []);
  assert.deepEqual(boris.problems, []);
});
