//! Statements as a table (RFC 4180), with the fields of the API as columns.

use anyhow::Result;
use serde_json::Value;

use super::statement::Statement;

/// The columns, in their order.
const COLUMNS: [&str; 22] = [
    "puid",
    "decision_visibility",
    "decision_provision",
    "decision_ground",
    "illegal_content_legal_ground",
    "illegal_content_explanation",
    "incompatible_content_ground",
    "incompatible_content_explanation",
    "incompatible_content_illegal",
    "category",
    "category_specification",
    "category_specification_other",
    "content_type",
    "territorial_scope",
    "content_date",
    "application_date",
    "end_date_visibility_restriction",
    "end_date_service_restriction",
    "decision_facts",
    "source_type",
    "automated_detection",
    "automated_decision",
];

/// Returns a table of statements.
pub(super) fn table(statements: &[Statement]) -> Result<String> {
    let mut text = COLUMNS.map(cell).join(",") + "\r\n";
    for statement in statements {
        let value = serde_json::to_value(statement)?;
        let row = COLUMNS.map(|column| match &value[column] {
            Value::Null => String::new(),
            Value::String(text) => cell(text),
            other => cell(&other.to_string()),
        });
        text += &(row.join(",") + "\r\n");
    }
    Ok(text)
}

/// Quotes a cell. A spreadsheet would run a text that begins like a formula; such a text gets a leading apostrophe.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_any_text_and_no_formula() {
        assert_eq!(cell("a \"b\", c\nd"), "\"a \"\"b\"\", c\nd\"");
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"] {
            assert!(cell(text).starts_with("\"'"), "{text}");
        }
    }

    #[test]
    fn a_table_of_nothing_has_the_columns() {
        let table = table(&[]).unwrap();
        assert_eq!(table.matches(',').count(), COLUMNS.len() - 1);
        assert!(table.starts_with("\"puid\",") && table.ends_with("\r\n"));
    }
}
