// The chat room of `quotapass demo --web`, as people use it in Chromium.
//
// QUOTAPASS_URL          the address of the room
// QUOTAPASS_CHROMIUM     the browser; /usr/bin/chromium if it is not set
// QUOTAPASS_SCREENSHOTS  a folder for screenshots; none are kept if it is not set

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join as path } from "node:path";

import { chromium, devices } from "playwright-core";

export const url = process.env.QUOTAPASS_URL;
const executablePath = process.env.QUOTAPASS_CHROMIUM ?? "/usr/bin/chromium";
/** An epoch of the room has 60 seconds, and may end at any moment. */
const timeout = 90_000;

export const desktop = { viewport: { width: 1000, height: 1100 }, colorScheme: "light" };
const { viewport, deviceScaleFactor, isMobile, hasTouch } = devices["Pixel 7"];
export const phone = { viewport, deviceScaleFactor, isMobile, hasTouch, colorScheme: "dark" };
export const smallPhone = { ...phone, viewport: { width: 360, height: 640 }, colorScheme: "light" };

export function launch() {
  assert.ok(existsSync(executablePath), `no browser at ${executablePath}; install chromium or set QUOTAPASS_CHROMIUM`);
  return chromium.launch({ executablePath, args: ["--no-sandbox"] });
}

/** Opens the room in a separate browser context. Returns the page, and its list of problems. */
export async function visit(browser, options, address = url) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(timeout);
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("request", (request) => request.url().startsWith(new URL(address).origin) || problems.push(request.url()));
  await page.goto(address);
  return { page, problems };
}

/** Opens the room and joins as a new member. */
export async function join(browser, options, address = url) {
  const { page, problems } = await visit(browser, options, address);
  await page.getByRole("button", { name: "Lock a deposit and join" }).click();
  await state(page, "Ready");
  assert.ok(await page.evaluate(() => crossOriginIsolated), "the page cannot share memory between threads");
  return { page, problems };
}

export const state = (page, text) => page.locator("#state", { hasText: new RegExp(`^${text}$`) }).waitFor();
export const text = (page, id) => page.locator(`#${id}`).textContent();
export const lines = (page, message) => page.locator("#lines > li").filter({ has: page.getByText(message, { exact: true }) });

/** Types a message, sends it with the Enter key, and returns the answer. */
export async function say(page, message) {
  const field = page.getByLabel("Your message");
  await page.waitForFunction(() => !document.getElementById("send").disabled);
  await page.locator("#answer").evaluate((answer) => (answer.textContent = ""));
  await field.fill(message);
  await field.press("Enter");
  await page.waitForFunction(() => document.getElementById("answer").textContent !== "");
  return text(page, "answer");
}

/** Whether an element is on the first screen as a whole, without scrolling. */
export function isOnFirstScreen(page, id) {
  return page.locator(`#${id}`).evaluate((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return scrollY === 0 && top >= 0 && bottom <= innerHeight;
  });
}

/** Keeps a picture of the whole page, or of its upper part with this height. */
export async function screenshot(page, name, height) {
  const folder = process.env.QUOTAPASS_SCREENSHOTS;
  const clip = height && { x: 0, y: 0, width: page.viewportSize().width, height };
  if (folder) await page.screenshot({ path: path(folder, name), fullPage: true, clip });
}
