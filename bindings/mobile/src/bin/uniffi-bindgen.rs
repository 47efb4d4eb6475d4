//! Writes the Kotlin, Swift and Python sources that go with the library.

fn main() {
    uniffi::uniffi_bindgen_main()
}
