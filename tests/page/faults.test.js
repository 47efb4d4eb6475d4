// The chat room when something fails: lost answers, lost keys, errors, a slow line. See room.js for the environment.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { barriers } from "./axe.js";
import { Line } from "./line.js";
import { desktop, join, launch, lines, phone, say, state, text, url, visit } from "./room.js";

/** A slow line: 50,000 bytes a second, and 400 ms from a request to its answer. */
const SLOW = { bytesPerSecond: 50_000, latencyMs: 200 };

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** Handles the posts of a page one after the other. Returns the list of what was posted. */
async function intercept(page, ...handlers) {
  const posted = [];
  await page.route("**/demo/messages", async (route) => {
    if (route.request().method() !== "POST") return route.fallback();
    posted.push(route.request().postDataJSON());
    return (handlers.shift() ?? ((route) => route.continue()))(route);
  });
  return posted;
}

/** The request does not arrive. */
const lose = (route) => route.abort();
/** The request arrives, but not its answer. */
const loseAnswer = async (route) => {
  await route.fetch();
  await route.abort();
};
const busy = (route) =>
  route.fulfill({ status: 503, contentType: "application/json", body: '{"error":"the relay is stopping","hint":"try again"}' });

test("a text that is not delivered is kept, and sent again with the same pass", async () => {
  const { page } = await join(browser, phone);
  const field = page.getByLabel("Your message");
  const posted = await intercept(page, loseAnswer, busy);
  assert.match(await say(page, "Did it arrive?"), /^Not delivered\. Your text is kept\.$/);
  assert.equal(await field.inputValue(), "Did it arrive?");
  await page.locator("#unsent-text", { hasText: "the demo does not answer" }).waitFor();
  assert.deepEqual(await barriers(page), []);
  // It did arrive. The second request is not served, and the third is answered with `replay`.
  await lines(page, "Did it arrive?").waitFor();
  await page.getByRole("button", { name: "Send it again" }).click();
  await page.locator("#unsent-text", { hasText: "the relay is stopping" }).waitFor();
  await page.getByRole("button", { name: "Send it again" }).click();
  await page.locator("#answer", { hasText: /^Accepted; \d messages left\.$/ }).waitFor();
  assert.equal(posted.length, 3);
  for (const { pass, message } of posted) assert.deepEqual([pass, message], [posted[0].pass, "Did it arrive?"]);
  assert.ok(await page.locator("#unsent").isHidden());
  assert.equal(await field.inputValue(), "");
  assert.equal(await lines(page, "Did it arrive?").count(), 1);
  await page.context().close();
});

test("a text that is not delivered survives a reload, and the same text uses the same pass", async () => {
  const { page } = await join(browser, desktop);
  const posted = await intercept(page, lose);
  await say(page, "Wait for me");
  await page.reload();
  await state(page, "Ready");
  const field = page.getByLabel("Your message");
  assert.equal(await field.inputValue(), "Wait for me");
  assert.ok(await page.locator("#unsent").isVisible());
  await field.press("Enter");
  await page.locator("#answer", { hasText: /^Accepted/ }).waitFor();
  assert.equal(posted.length, 2);
  assert.equal(posted[1].pass, posted[0].pass);
  await lines(page, "Wait for me").waitFor();
  // The next message has a pass of its own.
  assert.match(await say(page, "Wait for me"), /^Accepted/);
  assert.notEqual(posted[2].pass, posted[0].pass);
  await page.context().close();
});

test("an error stays until it is dismissed", async () => {
  const { page } = await join(browser, desktop);
  await page.route("**/v1/badges", (route) => route.abort());
  const make = page.getByRole("button", { name: "Make a badge for a new chat key" });
  const problem = page.locator(".problem", { hasText: "the demo does not answer" });
  await make.click();
  await problem.waitFor();
  assert.deepEqual(await barriers(page), []);
  await make.click();
  await page.locator(".problem", { hasText: "(2 times)" }).waitFor();
  assert.equal(await problem.count(), 1);
  // Neither a success nor the timers remove it.
  await page.unroute("**/v1/badges");
  await make.click();
  await page.locator("#badges", { hasText: "Accepted" }).waitFor();
  assert.match(await say(page, "All is well"), /^Accepted/);
  await page.waitForTimeout(2_000);
  assert.ok(await problem.isVisible());
  await problem.getByRole("button", { name: "Dismiss" }).click();
  await problem.waitFor({ state: "detached" });
  await page.context().close();
});

test("one can begin again from every state", async () => {
  const renew = async (page) => {
    await page.unroute("**/demo/keys");
    await page.locator("#renew").click();
    await state(page, "Not a member");
  };
  const { page } = await visit(browser, phone);
  // Before joining.
  await state(page, "Not a member");
  const visitor = await text(page, "identity");
  await renew(page);
  assert.notEqual(await text(page, "identity"), visitor);
  // As a member.
  await page.getByRole("button", { name: "Lock a deposit and join" }).click();
  await state(page, "Ready");
  const member = await text(page, "identity");
  await renew(page);
  assert.notEqual(await text(page, "identity"), member);
  // While it loads.
  let held;
  await page.route("**/demo/keys", (route) => (held = route));
  await page.reload();
  await page.waitForFunction(() => document.getElementById("state").textContent === "Starting");
  await renew(page);
  assert.ok(held !== undefined);
  // After it failed to load.
  await page.route("**/demo/keys", (route) => route.abort());
  await page.reload();
  await state(page, "Not started");
  await page.locator(".problem").waitFor();
  await renew(page);
  // With a record that cannot be used, and one that cannot be read.
  for (const [record, begins] of [['{"words":"no words"}', "Not started"], ["{", "Not a member"]]) {
    await page.evaluate((record) => sessionStorage.setItem("quotapass-demo", record), record);
    await page.reload();
    await state(page, begins);
    await renew(page);
  }
  await page.context().close();
});

test("a warm reload over a slow line takes seconds and few bytes", async () => {
  const line = await Line.to(url);
  const { page } = await join(browser, desktop, line.url(url));
  await page.waitForTimeout(1_000);
  line.slow(SLOW);
  line.received = 0;
  const begun = Date.now();
  await page.reload();
  await page.getByLabel("Your message").waitFor();
  await state(page, "Ready");
  const seconds = (Date.now() - begun) / 1_000;
  assert.ok(line.received < 50_000, `${line.received} bytes`);
  assert.ok(seconds < 12, `${seconds} s`);
  await page.context().close();
  line.close();
});

test("the files are compressed, and the module and the keys load at the same time", async () => {
  const { page } = await visit(browser, desktop);
  await state(page, "Not a member");
  const index = await fetch(url, { headers: { "accept-encoding": "gzip" } });
  const names = [...(await index.text()).matchAll(/"([\w.]+\?v=[0-9a-f]{16})"/g)].map(([, name]) => name);
  assert.equal(names.length, 5);
  for (const name of names) {
    const answer = await fetch(new URL(name, url), { headers: { "accept-encoding": "gzip" } });
    assert.equal(answer.headers.get("content-encoding"), "gzip", name);
    assert.match(answer.headers.get("cache-control"), /immutable/, name);
    const again = await fetch(new URL(name, url), { headers: { "if-none-match": answer.headers.get("etag") } });
    assert.equal(again.status, 304, name);
  }
  const again = await fetch(url, { headers: { "if-none-match": index.headers.get("etag") } });
  assert.equal(again.status, 304);
  // Both keys are requested before the first one has arrived: over a slow line their times overlap.
  const line = await Line.to(url);
  line.slow({ ...SLOW, bytesPerSecond: 2_000_000 });
  const slow = await visit(browser, desktop, line.url(url));
  await state(slow.page, "Not a member");
  const times = await slow.page.evaluate(() =>
    performance.getEntriesByType("resource").map(({ name, startTime, responseEnd }) => ({ name, startTime, responseEnd })));
  const of = (part) => times.find(({ name }) => name.includes(part));
  const [post, badge, worker] = [of("/demo/keys/post"), of("/demo/keys/badge"), of("worker.js")];
  assert.ok(badge.startTime < post.responseEnd && post.startTime < badge.responseEnd, JSON.stringify([post, badge]));
  assert.ok(worker === undefined || worker.startTime < post.responseEnd, JSON.stringify([worker, post]));
  await slow.page.context().close();
  await page.context().close();
  line.close();
});
