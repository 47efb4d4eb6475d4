// Checks that the Swift sources parse, and that the generated one has the same operations as Kotlin. Only Xcode can compile it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Parser from "tree-sitter";
import Swift from "tree-sitter-swift";

const bindings = process.env.BINDINGS;
const kotlin = readFileSync(join(bindings, "kotlin/org/quotapass/quotapass.kt"), "utf8");
const source = readFileSync(join(bindings, "swift/Quotapass.swift"), "utf8");

/** The text as a compiler sees it if all conditions hold; the grammar does not support conditions around attributes. */
function compiled(text) {
  const conditions = [];
  const lines = text.split("\n").map((line) => {
    const directive = line.trim();
    if (directive.startsWith("#if")) conditions.push(true);
    else if (directive.startsWith("#else")) conditions[conditions.length - 1] = false;
    else if (directive.startsWith("#endif")) conditions.pop();
    else if (conditions.every(Boolean)) return line;
    return "";
  });
  return lines.join("\n");
}

/** Replaces two Swift forms that the grammar does not know: `nonisolated(unsafe)` and a closure that returns `()`. */
function known(text) {
  return text.replaceAll("nonisolated(unsafe) ", "").replaceAll("{ () }", "{ return }");
}

function* nodes(node) {
  yield node;
  for (const child of node.children) yield* nodes(child);
}

const parser = new Parser();
parser.setLanguage(Swift);
const parse = (text) => {
  const tree = parser.parse((index) => (index < text.length ? text.slice(index, index + 8192) : null));
  return [...nodes(tree.rootNode)];
};
const all = parse(known(compiled(source)));
const written = parse(readFileSync(join(bindings, "swift/Background.swift"), "utf8"));

test("it parses without an error", () => {
  const errors = [...all, ...written].filter((node) => node.type === "ERROR" || node.isMissing);
  assert.deepEqual(errors.map((node) => `line ${node.startPosition.row + 1}: ${node.text.slice(0, 60)}`), []);
});

test("the description of an error is its reason", () => {
  const cases = [...source.matchAll(/case (?:let )?\.([A-Z]\w+)(?:\((.*)\))?: return (.*)$/gm)];
  assert.ok(cases.length > 30, `${cases.length} variants`);
  assert.deepEqual(cases.filter(([, variant, fields]) => variant !== "NotFound" && !fields?.split(", ").includes("reason")), []);
  const input = cases.find(([, variant]) => variant === "BadInput");
  assert.deepEqual(input.slice(2), ["argument, reason", '"\\(argument): \\(reason)"']);
});

test("it has every class, record, error and operation that Kotlin has", () => {
  const names = (type) => all.filter((node) => node.type === type).map((node) => node.childForFieldName("name")?.text);
  const [types, functions] = [new Set(names("class_declaration")), new Set(names("function_declaration"))];
  const found = (pattern) => [...kotlin.matchAll(pattern)].map((match) => match[1]);
  const classes = found(/^(?:open class|data class|enum class|sealed class) (\w+)/gm)
    .map((name) => name.replace(/Exception$/, "Error"))
    .filter((name) => !name.startsWith("Uniffi") && !["RustBuffer", "ForeignBytes", "InternalError"].includes(name));
  const operations = found(/^ {4}fun `(\w+)`\(.*$/gm);
  assert.ok(classes.length > 25 && operations.length > 40, `${classes.length} classes, ${operations.length} operations`);
  assert.deepEqual(classes.filter((name) => !types.has(name)), []);
  // Structures that JNA fills have functions of the same form.
  assert.deepEqual(operations.filter((name) => !functions.has(name) && name !== "callback"), []);
});
