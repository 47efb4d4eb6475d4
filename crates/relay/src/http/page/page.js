// Shows the data of /v1/summary and /v1/events. All text from the relay is set as text, never as markup.

const POLL_MS = 2000;
const WINDOW = 900;
const EVENTS_SHOWN = 8;
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);
const number = new Intl.NumberFormat();
const rounded = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const small = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 2 });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const time = (seconds, format = clock) => format.format(new Date(seconds * 1000));
const known = (value, format = number) => (value === null ? "–" : format.format(value));
const short = (hex) => `${hex.slice(0, 10)}…${hex.slice(-6)}`;

/** The samples received, oldest first, and the last summary. */
let samples = [];
let summary = null;

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function shape(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function setText(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

const perSecond = (rate) => (rate < 1 ? small : rounded).format(rate);

/** A length of time in words. */
function duration(seconds) {
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["min", 60]]) {
    if (seconds >= length && seconds % length === 0) {
      const count = seconds / length;
      return `${number.format(count)} ${unit}${count > 1 && unit !== "min" ? "s" : ""}`;
    }
  }
  return `${number.format(seconds)} s`;
}

/** The next higher of 1, 2 and 5 times a power of ten. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((step) => step * power >= value * 0.999) * power;
}

/** An empty chart with its grid, and the functions that place a moment and a value in it. */
function frame(figure, highest, label) {
  const svg = byId(figure).querySelector("svg");
  const { clientWidth: width, clientHeight: height } = svg;
  const top = roundUp(Math.max(highest, 1));
  const [left, right, above, below] = [40, 6, 8, 20];
  const x = (at) => left + ((at - (summary.now - WINDOW)) / WINDOW) * (width - left - right);
  const y = (value) => height - below - (value / top) * (height - above - below);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", label);
  const grid = [0, 0.5, 1].flatMap((part) => {
    const value = top * part;
    const level = y(value);
    return [
      shape("line", { class: "grid", x1: left, x2: width - right, y1: level, y2: level }),
      shape("text", { x: left - 5, y: level + 4, "text-anchor": "end" }, rounded.format(value)),
    ];
  });
  for (const [minutes, anchor] of [[15, "start"], [10, "middle"], [5, "middle"], [0, "end"]]) {
    const at = x(summary.now - minutes * 60);
    grid.push(shape("text", { x: at, y: height - 5, "text-anchor": anchor }, minutes ? `−${minutes} min` : "now"));
  }
  return { svg, grid, x, y };
}

/** Bars, stacked in the order of the rows. */
function bars(figure, rows, label) {
  const sums = samples.map((_, index) => rows.reduce((sum, row) => sum + row.values[index], 0));
  const { svg, grid, x, y } = frame(figure, Math.max(0, ...sums), label);
  const base = samples.map(() => 0);
  const paths = rows.map(({ values, name }) => {
    const path = values.map((value, index) => {
      if (value === 0) return "";
      const from = Math.max(x(samples[index].at), 40);
      const to = x(samples[index].at + summary.sample_seconds);
      const [low, high] = [y(base[index]), y((base[index] += value))];
      return `M${from.toFixed(1)} ${low.toFixed(1)}V${high.toFixed(1)}H${to.toFixed(1)}V${low.toFixed(1)}Z`;
    });
    return shape("path", { class: name, d: path.join("") });
  });
  svg.replaceChildren(...grid, ...paths);
}

/** Lines; a value that is null leaves a gap. */
function lines(figure, rows, label) {
  const all = rows.flatMap(({ values }) => values.filter((value) => value !== null));
  const { svg, grid, x, y } = frame(figure, Math.max(0, ...all), label);
  const paths = rows.map(({ values, name }) => {
    let pen = "M";
    const path = values.map((value, index) => {
      if (value === null) {
        pen = "M";
        return "";
      }
      const from = `${Math.max(x(samples[index].at), 40).toFixed(1)} ${y(value).toFixed(1)}`;
      const point = `${pen}${from}H${x(samples[index].at + summary.sample_seconds).toFixed(1)}`;
      pen = "L";
      return point;
    });
    return shape("path", { class: `line ${name}`, d: path.join("") });
  });
  svg.replaceChildren(...grid, ...paths);
}

const total = (sample) => sample.verdicts.reduce((sum, count) => sum + count, 0);
const last = (list) => (list.length ? list[list.length - 1] : null);

function drawCharts() {
  const names = summary.verdict_names;
  const seconds = summary.sample_seconds;
  const posts = samples.reduce((sum, sample) => sum + total(sample), 0);
  const conflict = summary.verdict_names.indexOf("quota_exceeded");
  const ofAll = (index) => samples.reduce((sum, sample) => sum + sample.verdicts[index], 0);
  const stack = names.map((_, index) => ({ name: `v${index}`, values: samples.map((sample) => sample.verdicts[index]) }));
  const said = names.map((name, index) => [name, ofAll(index)]).filter(([, count]) => count > 0);
  bars("chart-verdicts", stack, `Verdicts in fifteen minutes: ${said.map(([name, count]) => `${count} ${name}`).join(", ") || "none"}`);
  const rates = samples.map((sample) => total(sample) / seconds);
  lines("chart-throughput", [{ name: "", values: rates }],
    `Throughput: ${posts} verdicts in fifteen minutes, at most ${rounded.format(Math.max(0, ...rates))} per second`);
  const latency = (key) => samples.map((sample) => (total(sample) ? sample[key] : null));
  const highest = Math.max(0, ...latency("p99_ms").filter((value) => value !== null));
  lines("chart-latency", [{ name: "", values: latency("p50_ms") }, { name: "second", values: latency("p99_ms") }],
    `Latency: the 99th percentile was at most ${rounded.format(highest)} milliseconds`);
  bars("chart-conflicts", [{ name: `v${conflict}`, values: samples.map((sample) => sample.verdicts[conflict]) }],
    `Quota conflicts in fifteen minutes: ${ofAll(conflict)}`);
  lines("chart-members", [{ name: "", values: samples.map((sample) => sample.members) }], `Members: ${summary.members}`);
  lines("chart-epochs", [{ name: "", values: samples.map((sample) => sample.epochs) }], `Live epochs: ${known(summary.log.epochs)}`);
}

function drawMinutes() {
  const names = summary.verdict_names;
  const minutes = new Map();
  for (const sample of samples) {
    const minute = Math.floor(sample.at / 60) * 60;
    const row = minutes.get(minute) ?? { verdicts: names.map(() => 0), p99: 0, members: 0, epochs: null };
    sample.verdicts.forEach((count, index) => (row.verdicts[index] += count));
    minutes.set(minute, { ...row, p99: Math.max(row.p99, sample.p99_ms), members: sample.members, epochs: sample.epochs });
  }
  const heads = ["Minute", ...names, "p99 ms", "members", "epochs"].map((name) => element("th", { scope: "col" }, name));
  byId("minutes").tHead.replaceChildren(element("tr", {}, ...heads));
  const rows = [...minutes].reverse().map(([minute, row]) => {
    const cells = [...row.verdicts, row.p99, row.members, row.epochs].map((value) => element("td", {}, known(value, rounded)));
    return element("tr", {}, element("th", { scope: "row" }, time(minute)), ...cells);
  });
  byId("minutes").tBodies[0].replaceChildren(...rows);
}

function drawLegend() {
  const items = summary.verdict_names.map((name, index) => {
    const swatch = shape("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" });
    swatch.append(shape("rect", { class: `v${index}`, width: 10, height: 10, rx: 2 }));
    return element("li", {}, swatch, name, element("span", {}, number.format(summary.verdicts[name])));
  });
  byId("legend").replaceChildren(...items);
}

function drawTiles() {
  const seconds = summary.sample_seconds;
  const recent = samples.filter((sample) => sample.at >= summary.now - 60 - seconds);
  const index = summary.verdict_names.indexOf("accepted");
  const accepted = recent.reduce((sum, sample) => sum + sample.verdicts[index], 0);
  const busy = last(samples.filter((sample) => total(sample) > 0));
  setText("members", number.format(summary.members));
  setText("rate", recent.length ? perSecond(accepted / (recent.length * seconds)) : "–");
  setText("latency", busy ? `${rounded.format(busy.p50_ms)} / ${rounded.format(busy.p99_ms)} ms` : "–");
  setText("conflicts", number.format(summary.convicted));
  setText("epochs", known(summary.log.epochs));
  setText("nullifiers", known(summary.log.nullifiers));
}

/** A table row whose cells carry their column names, for phones, where the table has no header row. */
function row(table, first, ...cells) {
  const labels = [...byId(table).tHead.rows[0].cells].map((head) => head.textContent);
  const label = (index) => ({ "data-label": labels[index] });
  return element("tr", {}, element("th", { scope: "row", ...label(0) }, first),
    ...cells.map((cell, index) => element("td", label(index + 1), cell)));
}

function drawPolicy() {
  const { registry, scopes, unlisted, development_keys: insecure } = summary.policy;
  setText("registry", `registry ${short(registry.address)} on chain ${registry.chain_id}`);
  byId("registry").title = registry.address;
  const rows = scopes.map((scope) => row("policy", scope.name, `${number.format(scope.limit_cap)} an epoch`,
    duration(scope.epoch_seconds), number.format(scope.min_stake), duration(scope.min_age_days * 86400),
    duration(scope.root_window), `± ${duration(scope.max_clock_skew)}`));
  byId("policy").tBodies[0].replaceChildren(...rows);
  byId("development").hidden = !insecure;
  setText("unlisted", unlisted === "reject" ? "Other scopes are rejected." : "Other scopes are ignored.");
}

const OUTCOMES = { slashed: "slashed", gone: "had already left", no_member: "was never a member" };

function drawSlashes() {
  const rows = summary.latest_convicted.map((member) => {
    const settlement = member.settlement;
    const outcome = settlement === null ? "open" : (OUTCOMES[settlement.outcome] ?? settlement.outcome);
    const commitment = element("code", { title: member.commitment }, short(member.commitment));
    return row("slashes", commitment, member.scope ?? "another scope", time(member.epoch_begins, moment), outcome);
  });
  const none = element("tr", {}, element("td", { colspan: "4", class: "quiet" }, "No member exceeded a quota."));
  byId("slashes").tBodies[0].replaceChildren(...(rows.length ? rows : [none]));
}

function setState(state, text) {
  byId("state").className = `state ${state}`;
  setText("state", text);
}

function draw() {
  const { ready, reasons } = summary.readiness;
  setState(ready ? "ready" : "unready", ready ? "Ready" : reasons.map((reason) => reason.code.replaceAll("_", " ")).join(", "));
  setText("version", `quotapass ${summary.version}, since ${time(summary.started, moment)}`);
  drawTiles();
  drawCharts();
  drawLegend();
  drawMinutes();
  drawPolicy();
  drawSlashes();
}

let asking = null;

/** Fetches the summary; concurrent calls share one request. */
function refresh() {
  asking ??= ask().finally(() => (asking = null));
  return asking;
}

async function ask() {
  try {
    const since = samples.length ? last(samples).at + summary.sample_seconds : 0;
    const answer = await fetch(`v1/summary?since=${since}`, { signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const next = await answer.json();
    // After a restart of the relay, or if its clock went back, the samples start over.
    const isNew = summary !== null && (next.started !== summary.started || next.now < summary.now);
    summary = next;
    if (isNew) {
      samples = [];
      return ask();
    }
    samples = [...samples, ...summary.samples].filter((sample) => sample.at >= summary.now - WINDOW);
    draw();
  } catch (error) {
    setState("waiting", "No answer");
  }
}

const SENTENCES = {
  root_changed: (event) => `The tree has the root ${short(event.root)}, and ${number.format(event.members)} members.`,
  reorganised: (event) => `The chain was reorganised; ${event.undone} roots were undone.`,
  convicted: (event) => `Member ${short(event.commitment)} exceeded a quota.`,
  slashed: (event) => `The case of member ${short(event.commitment)} is closed: ${OUTCOMES[event.settlement.outcome]}.`,
  reloaded: () => "The configuration was reloaded.",
  reload_refused: () => "A new configuration was refused; the previous one stays in force.",
  chain_lost: () => "The relay cannot follow the chain.",
  chain_back: () => "The chain answers again.",
  missed: () => "Some events were missed.",
};

function listen() {
  const source = new EventSource("v1/events");
  for (const [name, sentence] of Object.entries(SENTENCES)) {
    source.addEventListener(name, (message) => {
      const now = clock.format(new Date());
      byId("events").prepend(element("li", {}, `${now}: ${sentence(JSON.parse(message.data))}`));
      while (byId("events").children.length > EVENTS_SHOWN) byId("events").lastChild.remove();
      refresh();
    });
  }
}

await refresh();
listen();
setInterval(() => document.hidden || refresh(), POLL_MS);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
new ResizeObserver(() => summary && drawCharts()).observe(byId("charts"));
