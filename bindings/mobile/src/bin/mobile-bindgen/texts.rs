//! Texts of exceptions.
//!
//! UniFFI writes the text of an exception as a list of its fields, such as `reason=..., nextBegins=...`. The functions here
//! change the generated sources: the text is the reason, after the argument if an argument is at fault.

use anyhow::{Context, Result, bail, ensure};

/// The exceptions without a reason, and their texts, which are those in Rust.
const WITHOUT_REASON: [(&str, &str); 1] = [("NotFound", "there is no such bucket")];

const CHANGED: &str = "UniFFI changed its code for exceptions; adapt src/bin/uniffi-bindgen/texts.rs";

/// Returns the Kotlin source with other texts: each variant has a property `message` with a list.
pub fn kotlin(source: &str) -> Result<String> {
    const EMPTY: &str = "get() = \"\"";
    let mut lines = Vec::new();
    for line in source.lines() {
        let list = line.trim().strip_prefix("get() = \"").and_then(|list| list.strip_suffix('"'));
        let Some(list) = list.filter(|list| !list.is_empty()) else {
            lines.push(line.to_owned());
            continue;
        };
        let fields: Vec<&str> = list.split(", ").filter_map(|field| Some(field.split_once("=$")?.0)).collect();
        let text = choose(&fields, "\"${ `argument` }: ${ `reason` }\"", "`reason`")?;
        lines.push(format!("            get() = {text}"));
    }
    let mut written = lines.join("\n") + "\n";
    for (variant, text) in WITHOUT_REASON {
        written = replace_in(&written, &format!("class {variant}("), EMPTY, &format!("get() = \"{text}\""))?;
    }
    ensure!(written != source && !written.contains(EMPTY), CHANGED);
    Ok(written)
}

/// Returns the Python source with other texts: each variant gives the class `Exception` a list.
pub fn python(source: &str) -> Result<String> {
    let mut parts = source.split("super().__init__(\", \".join([\n");
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (list, rest) = part.split_once("]))\n").context(CHANGED)?;
        let fields = list.lines().filter_map(|line| Some(line.trim().strip_prefix('"')?.split_once("={!r}")?.0));
        let fields: Vec<&str> = fields.collect();
        let text = choose(&fields, "f\"{argument}: {reason}\"", "reason")?;
        written += &format!("super().__init__({text})\n{rest}");
    }
    for (variant, text) in WITHOUT_REASON {
        let (class, text) = (format!("class {variant}("), format!("            super().__init__(\"{text}\")\n"));
        written = replace_in(&written, &class, "            pass\n", &text)?;
    }
    ensure!(written.contains("super().__init__(reason)"), CHANGED);
    Ok(written)
}

/// Returns the Swift source with other texts: each error has a property `errorDescription` with its debug text. The
/// variants and their fields are in the function that writes the error, which follows.
pub fn swift(source: &str) -> Result<String> {
    let mut parts = source.split("        String(reflecting: self)\n");
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, writer) = part.split_once("public static func write(_ value: ").context(CHANGED)?;
        let mut cases = String::new();
        for line in writer.lines().take_while(|line| *line != "    }") {
            if let Some((variant, fields)) = swift_case(line.trim()) {
                cases += &swift_text(variant, &fields)?;
            }
        }
        ensure!(!cases.is_empty(), CHANGED);
        written += &format!("        switch self {{\n{cases}        }}\n{part}");
    }
    ensure!(written != source, CHANGED);
    Ok(written)
}

/// The variant and its fields in a line such as `case let .BadInput(argument,reason):`.
fn swift_case(line: &str) -> Option<(&str, Vec<&str>)> {
    let case = line.strip_prefix("case ")?.strip_suffix(':')?;
    let case = case.strip_prefix("let ").unwrap_or(case).strip_prefix('.')?;
    let (variant, fields) = case.split_once('(').unwrap_or((case, ")"));
    let fields = fields.strip_suffix(')')?.split(',').map(str::trim).filter(|field| !field.is_empty());
    Some((variant, fields.collect()))
}

/// The case of a variant in a switch that returns texts.
fn swift_text(variant: &str, fields: &[&str]) -> Result<String> {
    if let Some((_, text)) = WITHOUT_REASON.iter().find(|(name, _)| *name == variant) {
        return Ok(format!("        case .{variant}: return \"{text}\"\n"));
    }
    let text = choose(fields, r#""\(argument): \(reason)""#, "reason")?;
    let names = fields.iter().map(|field| if ["argument", "reason"].contains(field) { *field } else { "_" });
    Ok(format!("        case let .{variant}({}): return {text}\n", names.collect::<Vec<_>>().join(", ")))
}

/// Chooses the text of an exception by its fields.
fn choose<'a>(fields: &[&str], with_argument: &'a str, reason: &'a str) -> Result<&'a str> {
    match (fields.contains(&"argument"), fields.contains(&"reason")) {
        (true, true) => Ok(with_argument),
        (false, true) => Ok(reason),
        _ => bail!("an exception with the fields {fields:?} has no reason; give it one, or a text in WITHOUT_REASON"),
    }
}

/// Replaces the first `from` after the beginning of a class, which must be in this class.
fn replace_in(source: &str, class: &str, from: &str, to: &str) -> Result<String> {
    let (before, after) = source.split_once(class).context(CHANGED)?;
    let (head, tail) = after.split_once(from).context(CHANGED)?;
    ensure!(!head.contains("class "), CHANGED);
    Ok(format!("{before}{class}{head}{to}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kotlin_messages_are_the_reasons() {
        let source = r#"
    class BadInput(
        val `argument`: kotlin.String,
        val `reason`: kotlin.String
    ) : QuotapassException() {
        override val message
            get() = "argument=${ `argument` }, reason=${ `reason` }"
    }
    class QuotaUsed(
        val `nextBegins`: kotlin.ULong,
        val `reason`: kotlin.String
    ) : QuotapassException() {
        override val message
            get() = "nextBegins=${ `nextBegins` }, reason=${ `reason` }"
    }
    class NotFound(
    ) : SourceFailure() {
        override val message
            get() = ""
    }
"#;
        let written = kotlin(source).unwrap();
        let texts: Vec<&str> = written.lines().filter_map(|line| line.trim().strip_prefix("get() = ")).collect();
        assert_eq!(texts, ["\"${ `argument` }: ${ `reason` }\"", "`reason`", "\"there is no such bucket\""]);
        assert_eq!(written.lines().count(), source.lines().count());
        assert!(kotlin(&source.replace("reason=${", "cause=${")).is_err(), "an exception without a reason");
        assert!(kotlin("fun other() = 1\n").is_err(), "other code of UniFFI");
    }

    #[test]
    fn python_texts_are_the_reasons() {
        let source = r#"
    class BadInput(_UniffiTempQuotapassError):
        def __init__(self, argument, reason):
            super().__init__(", ".join([
                "argument={!r}".format(argument),
                "reason={!r}".format(reason),
            ]))
            self.argument = argument
            self.reason = reason
    class QuotaUsed(_UniffiTempQuotapassError):
        def __init__(self, next_begins, reason):
            super().__init__(", ".join([
                "next_begins={!r}".format(next_begins),
                "reason={!r}".format(reason),
            ]))
            self.next_begins = next_begins
    class NotFound(_UniffiTempSourceFailure):
        def __init__(self):
            pass
"#;
        let expected = r#"
    class BadInput(_UniffiTempQuotapassError):
        def __init__(self, argument, reason):
            super().__init__(f"{argument}: {reason}")
            self.argument = argument
            self.reason = reason
    class QuotaUsed(_UniffiTempQuotapassError):
        def __init__(self, next_begins, reason):
            super().__init__(reason)
            self.next_begins = next_begins
    class NotFound(_UniffiTempSourceFailure):
        def __init__(self):
            super().__init__("there is no such bucket")
"#;
        assert_eq!(python(source).unwrap(), expected);
        assert!(python(&source.replace("\"reason={!r}\"", "\"cause={!r}\"")).is_err(), "an exception without a reason");
        assert!(python("def other(): pass\n").is_err(), "other code of UniFFI");
    }

    #[test]
    fn swift_descriptions_are_the_reasons() {
        let source = r#"
    public var errorDescription: String? {
        String(reflecting: self)
    }
}
    public static func write(_ value: QuotapassError, into buf: inout [UInt8]) {
        switch value {

        case let .BadInput(argument,reason):
            writeInt(&buf, Int32(1))
            FfiConverterString.write(argument, into: &buf)

        case let .QuotaUsed(nextBegins,reason):
            writeInt(&buf, Int32(2))

        case .NotFound:
            writeInt(&buf, Int32(3))
        }
    }
    public static func write(_ value: Step, into buf: inout [UInt8]) {
        case .prove:
            writeInt(&buf, Int32(8))
    }
"#;
        let description = r#"        switch self {
        case let .BadInput(argument, reason): return "\(argument): \(reason)"
        case let .QuotaUsed(_, reason): return reason
        case .NotFound: return "there is no such bucket"
        }
"#;
        let expected = source.replace("        String(reflecting: self)\n", description);
        assert_eq!(swift(source).unwrap(), expected);
        assert!(swift(&source.replace(",reason", ",cause")).is_err(), "an exception without a reason");
        assert!(swift("struct Other {}\n").is_err(), "other code of UniFFI");
    }
}
