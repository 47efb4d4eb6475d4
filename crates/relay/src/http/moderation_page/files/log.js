// The public page: what the log of a relay says, as receipts, newest first.

import { hex } from "./bytes.js";
import { button, byId, count, counted, element, facts, guarded, setText, short, showProblem, timeElement } from "./dom.js";
import { BECAUSE, GROUNDS, REASONS, unsalt } from "./entry.js";
import { checkHistory, policyOf, readHistory, strikesOf } from "./history.js";
import { chooseLog, fetchLogs } from "./logs.js";
import { logReader } from "./relay.js";

const PAGE = 50;
/** Counts the choices of a log, so that a slow answer for a former choice is not shown. */
let turn = 0;
let shown = PAGE;
let strikes = [];
let fetchPath = null;

const signatures = (number) => counted(number, "signature");

/** How a strike stands. */
function standing({ lift }) {
  if (!lift) return ["In force", "force"];
  return lift.because === "expired" ? ["Over", "over"] : ["Lifted", "lifted"];
}

/** The statement of reasons, which is fetched when somebody asks. */
function reasons(digest) {
  const place = element("div");
  place.append(button("Read the reasons", guarded(async () => {
    let words;
    try {
      words = await unsalt(await fetchPath(`text/${digest}`), digest);
    } catch (error) {
      if (error.status !== 404) throw error;
      words = "The text was erased, or is not kept here. Its hash stays in the log.";
    }
    place.replaceChildren(element("p", { class: "reasons", tabindex: "-1" }, words));
    place.firstChild.focus();
  })));
  return place;
}

function receipt(strike) {
  const { lift } = strike;
  const [state, style] = standing(strike);
  const title = `receipt-${strike.index}`;
  const lifted = lift && ["Lifted", [timeElement(lift.at), `, because ${BECAUSE[lift.because] ?? lift.because}; ${signatures(lift.signatures)}`]];
  return element("li", {}, element("article", { class: "card", "aria-labelledby": title },
    element("header", {}, element("h3", { id: title }, REASONS[strike.reason] ?? strike.reason), element("span", { class: `badge ${style}` }, state)),
    facts(
      ["Scope", strike.scope],
      ["Ground", `${GROUNDS[strike.ground.kind] ?? strike.ground.kind}: ${strike.ground.reference}`],
      ["Struck", [timeElement(strike.at), ` with ${signatures(strike.signatures)}`]],
      ["Until", strike.until === "never" ? "without end" : timeElement(strike.until, false)],
      ["Found", strike.automated_detection ? "by a program" : null],
      ["Decided", strike.automated_decision ? `by a program${strike.decided_by ? `: ${strike.decided_by.name} ${strike.decided_by.version}` : ""}` : null],
      ...(lifted ? [lifted] : []),
      ["Receipt", [`entry ${count(strike.index)}, `, element("code", { title: strike.id }, short(strike.id))]],
    ),
    reasons(strike.text)));
}

function drawCounts(history) {
  const { lifts } = strikesOf(history);
  const inForce = strikes.filter(({ lift }) => !lift).length;
  setText("in-force", count(inForce));
  setText("struck", count(strikes.length));
  setText("granted", count(lifts.filter(({ because }) => because === "appeal").length));
  setText("errors", count(lifts.filter(({ because }) => because === "error").length));
  const rest = history.from > 0 ? `; ${counted(history.from, "older entry", "older entries")} are still being read` : "";
  const policy = policyOf(history);
  const rule = policy ? ` A decision needs ${signatures(policy.threshold)} of ${counted(policy.moderators.length, "moderator")}.` : "";
  setText("rule", `${counted(history.checkpoint.size, "entry", "entries")}${rest}.${rule}`);
}

function drawReceipts() {
  const list = byId("receipts");
  const kept = new Map([...list.children].map((item) => [item.dataset.index, item]));
  list.replaceChildren(...strikes.slice(0, shown).map((strike) => {
    const item = kept.get(String(strike.index)) ?? receipt(strike);
    item.dataset.index = strike.index;
    return item;
  }));
  byId("none").hidden = strikes.length > 0;
  const rest = strikes.length - shown;
  byId("more").hidden = rest <= 0;
  setText("more", `Show ${count(Math.min(PAGE, rest))} more of ${count(rest)}`);
}

async function show({ log, origin, root_key: rootKey }) {
  const mine = ++turn;
  [strikes, shown, fetchPath] = [[], PAGE, logReader(log)];
  byId("receipts").replaceChildren();
  setText("origin", origin);
  setText("root-key", rootKey);
  setText("checked", "Reading the log");
  byId("checked").className = "state waiting";
  const draw = (history) => {
    if (mine !== turn) throw new Error("another log was chosen");
    strikes = strikesOf(history).strikes;
    drawCounts(history);
    drawReceipts();
  };
  try {
    const history = await readHistory(fetchPath, draw);
    draw(history);
    const isChecked = await checkHistory(history, { origin, root_key: rootKey });
    if (mine !== turn) return;
    setText("checked", isChecked ? "Checked" : "Not checked");
    byId("checked").className = isChecked ? "state ready" : "state waiting";
    setText("what-checked", isChecked
      ? `Your browser has checked that all entries are in the tree of the signed checkpoint with the root ${hex(history.checkpoint.root).slice(0, 16)}…, and who signed each.`
      : "Your browser cannot check signatures here: open this page over https, in a current browser.");
    showProblem(null);
  } catch (error) {
    if (mine !== turn) return;
    setText("checked", "Not valid");
    byId("checked").className = "state unready";
    throw error;
  }
}

byId("more").onclick = () => {
  const next = byId("receipts").children.length;
  shown += PAGE;
  drawReceipts();
  const first = byId("receipts").children[next]?.querySelector("h3");
  first?.setAttribute("tabindex", "-1");
  first?.focus();
};

await guarded(async () => {
  const logs = await fetchLogs();
  if (logs.length === 0) {
    setText("checked", "No log");
    byId("absent").hidden = false;
    return;
  }
  byId("content").hidden = false;
  await chooseLog(logs, show);
})();
document.documentElement.dataset.ready = "";
