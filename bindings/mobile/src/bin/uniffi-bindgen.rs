//! Writes the Kotlin, Swift and Python sources that belong to the library.

fn main() {
    uniffi::uniffi_bindgen_main()
}
