// Opens the status page of a running relay in Chromium, and sends posts to the relay.
//
// QUOTAPASS_URL       the relay's address
// QUOTAPASS_POSTS     a file of new posts, one JSON object per line, as `quotapass post` writes them; the first posts
//                     are accepted, and the last two are two messages under one message id
// QUOTAPASS_CHROMIUM  the browser; /usr/bin/chromium if it is not set
// QUOTAPASS_SCREENSHOTS  a folder for screenshots; none are kept if it is not set

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

import { barriers } from "./axe.js";

const url = process.env.QUOTAPASS_URL;
const posts = readFileSync(process.env.QUOTAPASS_POSTS, "utf8").trim().split("\n");
const executablePath = process.env.QUOTAPASS_CHROMIUM ?? "/usr/bin/chromium";
const CHARTS = ["verdicts", "throughput", "latency", "conflicts", "members", "epochs"];

let browser;

before(async () => {
  assert.ok(existsSync(executablePath), `no browser at ${executablePath}; install chromium or set QUOTAPASS_CHROMIUM`);
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});

after(() => browser?.close());

/** Opens the page and waits until it has drawn. Returns the page, and its lists of problems and of foreign requests. */
async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("requestfailed", (request) => problems.push(`${request.url()} failed`));
  const elsewhere = [];
  page.on("request", (request) => request.url().startsWith(url) || elsewhere.push(request.url()));
  await page.addInitScript(() => {
    window.shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(url);
  await page.waitForFunction(() => document.getElementById("state").textContent === "Ready");
  return { page, problems, elsewhere };
}

async function post(body) {
  const answer = await fetch(`${url}/v1/verify`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  assert.equal(answer.status, 200);
  return (await answer.json()).verdict;
}

const legend = (page, name) =>
  page.locator("#legend li", { hasText: new RegExp(`^${name}`) }).locator("span").textContent();
const count = async (page, name) => Number((await legend(page, name)).replaceAll(/\D/g, ""));

async function screenshot(page, name, height) {
  const folder = process.env.QUOTAPASS_SCREENSHOTS;
  const { width } = page.viewportSize();
  if (folder) await page.screenshot({ path: join(folder, name), fullPage: true, clip: { x: 0, y: 0, width, height } });
}

test("the charts are there at once, and nothing comes from elsewhere", async () => {
  const { page, problems, elsewhere } = await open({ viewport: { width: 1200, height: 900 }, colorScheme: "light" });
  for (const chart of CHARTS) {
    const svg = page.locator(`#chart-${chart} > svg`);
    assert.ok((await svg.locator("text").count()) >= 7, `${chart} has no axes`);
    assert.ok((await svg.getAttribute("aria-label")).length > 5, `${chart} is not described`);
  }
  // The charts show the time before the page was opened, too.
  const drawn = await page.locator("#chart-verdicts > svg path").evaluateAll((paths) =>
    paths.filter((path) => path.getBBox().width > 0).map((path) => path.getAttribute("class")));
  assert.ok(drawn.includes("v0") && drawn.length >= 3, `only ${drawn} are drawn`);
  assert.ok((await page.locator("#minutes tbody tr").count()) >= 1);
  assert.ok((await page.locator("#policy tbody tr").count()) >= 1);
  await screenshot(page, "page-light.png", 1300);
  assert.deepEqual(problems, []);
  assert.deepEqual(elsewhere, []);
});

test("numbers change after posts, and slashes are told", async () => {
  const { page, problems } = await open({ viewport: { width: 1200, height: 900 } });
  const before = { accepted: await count(page, "accepted"), conflicts: await count(page, "quota_exceeded") };
  const verdicts = [];
  for (const body of posts) verdicts.push(await post(body));
  assert.deepEqual([...new Set(verdicts)].sort(), ["accepted", "quota_exceeded"]);
  const accepted = verdicts.filter((verdict) => verdict === "accepted").length;
  const expected = [String(before.accepted + accepted), String(before.conflicts + 1)];
  await page.waitForFunction(([accepted, conflicts]) => {
    const shown = (name) => [...document.querySelectorAll("#legend li")]
      .find((item) => item.textContent.startsWith(name)).querySelector("span").textContent.replaceAll(/\D/g, "");
    return shown("accepted") === accepted && shown("quota_exceeded") === conflicts;
  }, expected);
  await page.locator("#events li", { hasText: "exceeded a quota" }).first().waitFor();
  await page.waitForFunction(() => document.querySelector("#slashes tbody code") !== null);
  assert.ok(Number((await page.locator("#conflicts").textContent()).replaceAll(/\D/g, "")) >= 1);
  // The sample of these posts is drawn once it is complete.
  await page.waitForFunction(() => document.querySelector("#chart-conflicts path").getAttribute("d").length > 0);
  assert.deepEqual(problems, []);
});

test("it fits a phone, in the dark, without shifting", async () => {
  const viewport = { width: 360, height: 740 };
  const { page, problems } = await open({ viewport, deviceScaleFactor: 1, colorScheme: "dark", hasTouch: true, isMobile: true });
  await page.waitForTimeout(2_500);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360, "it is wider than the screen");
  const paper = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  assert.ok(paper.match(/\d+/g).every((part) => Number(part) < 60), `${paper} is not dark`);
  assert.ok((await page.evaluate(() => window.shift)) < 0.1, "the layout shifts");
  await screenshot(page, "page-dark-phone.png", 1400);
  assert.deepEqual(problems, []);
});

test("a keyboard and a screen reader find their way", async () => {
  const { page } = await open({ viewport: { width: 1200, height: 900 } });
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "charts");
  await page.locator("summary").focus();
  await page.keyboard.press("Enter");
  assert.ok(await page.locator("#minutes").isVisible());
  const levels = await page.locator("h1, h2, h3").evaluateAll((heads) => heads.map((head) => Number(head.tagName[1])));
  levels.reduce((before, level) => {
    assert.ok(level <= before + 1, `a heading of level ${level} follows one of level ${before}`);
    return level;
  }, 0);
  assert.equal(await page.locator("svg[role=img]:not([aria-label])").count(), 0);
  assert.equal(await page.locator("th:not([scope])").count(), 0);
});

test("axe finds no barrier, on a desk and on a phone", async () => {
  for (const options of [
    { viewport: { width: 1200, height: 900 }, colorScheme: "light" },
    { viewport: { width: 360, height: 740 }, deviceScaleFactor: 1, colorScheme: "dark", hasTouch: true, isMobile: true },
  ]) {
    const { page } = await open(options);
    await page.waitForFunction(() => document.querySelector("#slashes tbody tr") !== null);
    await page.locator("summary").evaluateAll((all) => all.forEach((summary) => (summary.parentElement.open = true)));
    assert.deepEqual(await barriers(page), [], options.colorScheme);
    await page.context().close();
  }
});
