// The chat room with two people: what they see of each other, the quota, a badge, and a cheater. See room.js for the
// environment.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { barriers } from "./axe.js";
import { desktop, isOnFirstScreen, join, launch, lines, phone, say, screenshot, smallPhone, state, text, url, visit } from "./room.js";

let browser;
let anna;
let boris;

before(async () => {
  browser = await launch();
  anna = await join(browser, desktop);
  boris = await join(browser, phone);
});

after(() => browser?.close());

test("the message field is on the first screen of a phone, before and after joining", async () => {
  for (const options of [phone, smallPhone]) {
    const { page } = await visit(browser, options);
    await state(page, "Not a member");
    for (const id of ["say", "send", "join"]) assert.ok(await isOnFirstScreen(page, id), `${id} before joining`);
    // A text that is typed too early is kept.
    await page.getByLabel("Your message").fill("Too early");
    await page.getByLabel("Your message").press("Enter");
    await page.locator("#answer", { hasText: "Not sent yet" }).waitFor();
    assert.equal(await page.getByLabel("Your message").inputValue(), "Too early");
    assert.deepEqual(await barriers(page), []);
    await page.context().close();
  }
  for (const id of ["log", "say", "send"]) assert.ok(await isOnFirstScreen(boris.page, id), id);
});

test("what one writes the other sees, with its time, and the relay sees no name", async () => {
  assert.match(await say(anna.page, "Good evening"), /^Accepted; \d messages left\.$/);
  assert.match(await say(boris.page, "Good evening to you"), /^Accepted/);
  for (const [page, own, others] of [
    [anna.page, "Good evening", "Good evening to you"],
    [boris.page, "Good evening to you", "Good evening"],
  ]) {
    await lines(page, own).locator("b", { hasText: "You" }).waitFor();
    await lines(page, others).waitFor();
    assert.equal(await lines(page, others).locator("b").count(), 0, "another's message looks like one's own");
    const said = Date.parse(await lines(page, others).locator("time").getAttribute("datetime"));
    assert.ok(Math.abs(Date.now() - said) < 120_000, `${said} is not the time of the message`);
  }
  const line = lines(anna.page, "Good evening to you");
  await line.getByText("What the relay saw").click();
  const seen = await line.locator("table").textContent();
  assert.match(seen, /nullifier0x[0-9a-f]{64}/);
  const commitment = await text(boris.page, "identity");
  assert.ok(!seen.includes(commitment.slice(0, 8)), "the pass names its member");
  assert.match(await text(anna.page, "hidden"), /^\d+ members$/);
  assert.match(await text(anna.page, "took"), /^\d+ ms$/);
  await screenshot(anna.page, "demo-light.png");
});

test("the browser refuses what would be too much, and keeps the text", async () => {
  for (let sent = 0; sent < 30; sent += 1) {
    const answer = await say(anna.page, `and ${sent}`);
    if (answer.startsWith("Accepted")) {
      assert.equal(await anna.page.getByLabel("Your message").inputValue(), "");
      continue;
    }
    assert.match(answer, /^Not sent, by your own browser: .*quota/);
    assert.equal(await text(anna.page, "left"), "0");
    assert.equal(await anna.page.getByLabel("Your message").inputValue(), `and ${sent}`);
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

test("refused messages are a count, and a flood of them moves nothing", async () => {
  const post = (number) =>
    fetch(new URL("messages", url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ scope: "lobby", message: `spam ${number}`, pass: "AAAA" }),
    });
  const before = await anna.page.locator("#lines > li").count();
  for (let number = 1; number <= 300; number += 1) assert.equal((await (await post(number)).json()).verdict, "malformed");
  await anna.page.locator("#refused-count", { hasText: /^300 messages were refused$/ }).waitFor();
  assert.equal(await anna.page.locator("#lines > li").count(), before);
  await anna.page.locator("#refused > summary").click();
  await anna.page.locator("#refusals > li", { hasText: /no readable pass, 300 times/ }).waitFor();
  assert.match(await text(anna.page, "refusals"), /spam 300/);
  // Someone who comes later sees the same.
  const late = await visit(browser, desktop);
  await late.page.locator("#refused-count", { hasText: "300 messages were refused" }).waitFor();
  await lines(late.page, "Good evening").waitFor();
  assert.ok(!(await text(late.page, "lines")).includes("spam"));
  await late.page.context().close();
});

test("a tab that is loaded again is the same member, and knows its messages", async () => {
  const before = await text(anna.page, "identity");
  await anna.page.reload();
  await state(anna.page, "Ready");
  assert.equal(await text(anna.page, "identity"), before);
  await lines(anna.page, "Good evening").locator("b", { hasText: "You" }).waitFor();
});

test("it fits a phone, and axe finds no barrier", async () => {
  for (const { page } of [anna, boris]) {
    const tooWide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
    assert.ok(!tooWide, "the page scrolls sideways");
    await page.locator("summary").evaluateAll((all) => all.forEach((summary) => (summary.parentElement.open = true)));
    assert.deepEqual(await barriers(page), []);
  }
});

/** Reports a message for spam, and returns what the page says. */
async function report(page, message) {
  await lines(page, message).getByRole("button", { name: /^Report/ }).click();
  await page.getByLabel("Reason").selectOption("spam");
  assert.equal(await text(page, "report-what"), message);
  assert.deepEqual(await barriers(page), []);
  await page.getByRole("button", { name: "Send the report" }).click();
  await page.locator("#answer", { hasText: "Reported." }).waitFor();
}

/** Opens the moderators' page with the key that the room's page shows. */
async function moderate() {
  if (!(await anna.page.locator("#moderator").evaluate((folded) => folded.open))) {
    await anna.page.getByText("Be the moderator").click();
  }
  await anna.page.locator("#moderator-key", { hasText: /^[0-9a-f]{64}$/ }).waitFor();
  const opened = await visit(browser, desktop, new URL("/moderation", url).href);
  await opened.page.locator("html[data-ready]").waitFor({ state: "attached" });
  await opened.page.locator("#import-name").fill(await text(anna.page, "moderator-name"));
  await opened.page.getByLabel(/^Secret key/).fill(await text(anna.page, "moderator-key"));
  await opened.page.getByRole("button", { name: "Import" }).click();
  await opened.page.getByRole("heading", { name: "Waiting for a decision" }).waitFor();
  return opened;
}

test("three reports hold a message, a strike silences its author, who appeals, writes again and deletes", async () => {
  const offer = "Buy this coin now";
  const author = await join(browser, smallPhone);
  const clara = await join(browser, desktop);
  assert.match(await say(author.page, offer), /^Accepted/);
  const own = lines(author.page, offer);
  assert.equal(await own.getByRole("button", { name: /^Report/ }).count(), 0, "one's own message has a button to report it");
  const nullifier = await own.getAttribute("data-nullifier");
  const mark = (page, said) => page.locator(`#lines > [data-nullifier="${nullifier}"] .mark`, { hasText: said }).waitFor();
  // A report that is cancelled is none.
  await lines(anna.page, offer).getByRole("button", { name: /^Report/ }).click();
  await anna.page.getByRole("button", { name: "Cancel" }).click();
  for (const { page } of [anna, boris]) await report(page, offer);
  assert.ok(await lines(anna.page, offer).getByRole("button", { name: /^Reported/ }).isDisabled());
  assert.ok(await lines(clara.page, offer).isVisible(), "two reports hold a message");
  await report(clara.page, offer);
  for (const { page } of [anna, boris, clara, author]) {
    await mark(page, /^Held/);
    assert.equal(await lines(page, offer).count(), 0, "a held text is shown");
  }
  // Someone who comes later does not get the text either.
  const late = await visit(browser, desktop);
  await mark(late.page, /^Held/);
  assert.ok(!(await late.page.content()).includes(offer));
  await late.page.context().close();

  const moderator = await moderate();
  const card = moderator.page.locator(`li[data-nullifier="${nullifier.slice(2)}"]`);
  const submit = () => moderator.page.locator("dialog[open] button[type=submit]").click();
  const done = (said) => moderator.page.locator("#message", { hasText: said }).waitFor();
  await card.getByText("3 reports: Spam 3").click();
  await card.getByText("Compare a message with the post").click();
  await card.getByLabel(/letter by letter/).fill(offer);
  await card.getByRole("button", { name: "Compare" }).click();
  await card.getByText("The message is that of the post.").waitFor();
  await card.getByRole("button", { name: "Strike…" }).click();
  await moderator.page.getByLabel("The rule, or the law with its article").fill("rule 3");
  await moderator.page.getByLabel("Statement of reasons, for the author").fill("No offers here.");
  await submit();
  await done("The strike is entry");

  await state(author.page, "Struck");
  await mark(clara.page, /Struck by a moderator/);
  assert.match(await text(author.page, "struck-why"), /^Reason: spam, against the rules: rule 3\. It is in force until /);
  assert.equal(await text(author.page, "struck-text"), "No offers here.");
  assert.ok(await author.page.getByLabel("Your message").isDisabled(), "a struck author can compose");
  assert.deepEqual(await barriers(author.page), []);
  const tooWide = await author.page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert.ok(!tooWide, "the page scrolls sideways");
  await screenshot(author.page, "demo-struck-phone.png");
  // All others write as before, now with a record. Each page looks for a new list every five seconds.
  await clara.page.waitForTimeout(7_000);
  assert.match(await say(clara.page, "That was an offer"), /^Accepted/);
  const line = lines(anna.page, "That was an offer");
  await line.getByText("What the relay saw").click();
  assert.match(await line.locator("table").textContent(), /records1/);
  // A reload changes nothing.
  await author.page.reload();
  await state(author.page, "Struck");
  await author.page.getByLabel("Your appeal").fill("It was a joke.");
  await author.page.getByRole("button", { name: "Appeal" }).click();
  await author.page.locator("#appeal-state", { hasText: "waits for a moderator" }).waitFor();

  await moderator.page.getByRole("button", { name: "Load again" }).click();
  await card.getByRole("button", { name: "Show the appeal" }).click();
  await card.getByText("It was a joke.").waitFor();
  await card.getByRole("button", { name: "Grant the appeal…" }).click();
  await submit();
  await done("The lift is entry");
  await state(author.page, "Ready");
  assert.ok(await author.page.locator("#struck").isHidden());
  assert.match(await say(author.page, "Thank you"), /^Accepted/);

  await author.page.locator(`#lines > [data-nullifier="${nullifier}"]`).getByRole("button", { name: /^Delete/ }).click();
  await author.page.getByRole("button", { name: "Delete it" }).click();
  await author.page.locator("#answer", { hasText: /^Deleted\./ }).waitFor();
  for (const { page } of [anna, boris, clara, author]) await mark(page, /^Deleted by its author\.$/);
  for (const { page, problems } of [author, clara, moderator]) {
    assert.deepEqual(problems, []);
    await page.context().close();
  }
});

test("cheating works at the first click and costs the deposit, and both see it", async () => {
  await boris.page.getByRole("button", { name: "Put back an old count" }).click();
  await state(boris.page, "Slashed");
  await lines(anna.page, "Buy my coin!").or(anna.page.locator("#refusals > li", { hasText: "coin!" })).first().waitFor();
  await anna.page.locator("#refusals > li", { hasText: "quota exceeded" }).waitFor({ state: "attached" });
  for (const { page } of [anna, boris]) {
    await page.locator("#events > li", { hasText: "give away the secret" }).waitFor();
    await page.locator("#events > li", { hasText: "is slashed" }).waitFor();
  }
  assert.equal(await text(boris.page, "deposit"), "lost");
  assert.ok(await boris.page.getByLabel("Your message").isDisabled());
  assert.match(await text(boris.page, "lost"), /two different messages with the same number.*took the deposit/s);
  assert.ok(await boris.page.locator("#lost").isVisible());
  assert.match(await say(anna.page, "I am still here"), /^(Accepted|Not sent)/);
  assert.deepEqual(await barriers(boris.page), []);
  await screenshot(boris.page, "demo-dark-phone.png");
});

test("who was slashed stays slashed after a reload, and can begin again", async () => {
  const before = await text(boris.page, "identity");
  await boris.page.reload();
  await state(boris.page, "Slashed");
  assert.ok(await boris.page.locator("#lost").isVisible());
  await boris.page.getByRole("button", { name: "Begin again as a new member" }).click();
  await state(boris.page, "Not a member");
  assert.notEqual(await text(boris.page, "identity"), before);
  await boris.page.getByRole("button", { name: "Lock a deposit and join" }).click();
  await state(boris.page, "Ready");
});

test("the browser had nothing to complain about", () => {
  assert.deepEqual(anna.problems, []);
  assert.deepEqual(boris.problems, []);
});

test("the relay's page links to the room", async () => {
  const { page } = await visit(browser, desktop, new URL("/", url).href);
  await page.getByRole("link", { name: "Open the chat room" }).click();
  await state(page, "Not a member");
  assert.equal(page.url(), url);
  await page.context().close();
});
