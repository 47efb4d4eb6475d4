//! Pages of which a task writes a part, between two marks.

/// Returns a page with `text` between the marks of a task. Returns none if the page has no marks of the task.
pub fn replace(page: &str, task: &str, text: &str) -> Option<String> {
    let mark = |word| format!("<!-- written by `{task}`: {word} -->");
    let (begin, end) = (mark("begin"), mark("end"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{text}\n{end}{after}"))
}
