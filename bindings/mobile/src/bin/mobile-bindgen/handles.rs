//! Handles that are arguments, in Kotlin.

use anyhow::{Result, bail};

/// Kotlin code of UniFFI for a handle that is an argument. It does not check whether the handle is closed, so a closed
/// handle would access freed memory.
const UNCHECKED: &str = "return value.uniffiCloneHandle()";
/// The same code with the check that UniFFI makes for the receiver of a call: a closed handle throws
/// `IllegalStateException`.
const CHECKED: &str = "return value.callWithHandle { it }";

/// Returns the Kotlin source with the check of handles that are arguments.
pub fn checked(source: &str) -> Result<String> {
    let objects = source.matches(" fun uniffiCloneHandle(").count();
    if objects == 0 || source.matches(UNCHECKED).count() < objects {
        bail!("UniFFI changed its code for handles; check whether it tests arguments, and adapt this program");
    }
    Ok(source.replace(UNCHECKED, CHECKED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_checks_its_handles() {
        let source = format!("    fun uniffiCloneHandle(): Long\n        {UNCHECKED}\n");
        assert!(checked(&source).unwrap().contains(CHECKED));
        assert!(checked(&source.replace(UNCHECKED, "return value.handle")).is_err());
        assert!(checked("class Other").is_err());
    }
}
