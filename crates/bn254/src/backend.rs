//! The choice of the code that computes: one backend for the whole process.
//!
//! | backend | sums of multiples | pairings | subgroup, square roots | transforms |
//! |---|---|---|---|---|
//! | [`Arkworks`](Backend::Arkworks) | ark-ec | ark-ec | ark-bn254, ark-ff | ark-poly |
//! | [`Portable`](Backend::Portable) | this crate | this crate | this crate | this crate |
//! | [`Vectors`](Backend::Vectors) | eight additions at a time | as `Portable` | eight at a time | as `Portable` |
//!
//! All backends return the same points and field elements, except that of the two square roots of an element each may
//! return either, and that values of Miller's function may differ by factors that the final exponentiation maps to one.
//!
//! The process computes with the [best](Backend::best) backend, or with the one that the environment variable
//! `QUOTAPASS_BACKEND` names: `arkworks`, `portable` or `vectors`. The variable is for tests and measurements. The
//! choice is made by the first operation, and does not change. WebAssembly has only the portable code and no
//! environment, so there the choice is a constant.
//!
//! ```
//! use quotapass_bn254::backend::{self, Backend};
//! // A program reports an invalid variable before it computes.
//! let backend = backend::selected()?;
//! assert_eq!(backend, backend::current());
//! assert!(Backend::Portable.is_available());
//! # Ok::<(), backend::BackendError>(())
//! ```
//!
//! As in the module `backend` of curve25519-dalek, the choice is in one place. An operation with several implementations
//! asks for it once, and not in its loops.

#[cfg(not(target_arch = "wasm32"))]
use std::{
    env,
    ffi::{OsStr, OsString},
    sync::OnceLock,
};

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
use crate::lanes::Ifma;

/// Name of the environment variable that selects the backend.
pub const VARIABLE: &str = "QUOTAPASS_BACKEND";

/// The code that computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Plain arkworks, the reference. It does not exist in WebAssembly. It leaves copies of scalars in memory.
    #[cfg(not(target_arch = "wasm32"))]
    Arkworks,
    /// The code of this crate without vectors. It is always available.
    Portable,
    /// The code of this crate with AVX-512 IFMA. It is available with the feature `simd`, on processors that have the
    /// instructions.
    Vectors,
}

impl Backend {
    /// All backends.
    pub const ALL: &[Self] = &[
        #[cfg(not(target_arch = "wasm32"))]
        Self::Arkworks,
        Self::Portable,
        Self::Vectors,
    ];

    /// The name that selects the backend.
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(not(target_arch = "wasm32"))]
            Self::Arkworks => "arkworks",
            Self::Portable => "portable",
            Self::Vectors => "vectors",
        }
    }

    /// Returns whether this build has the backend and this processor its instructions.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(not(target_arch = "wasm32"))]
            Self::Arkworks => true,
            Self::Portable => true,
            #[cfg(all(feature = "simd", target_arch = "x86_64"))]
            Self::Vectors => Ifma::try_new().is_some(),
            #[cfg(not(all(feature = "simd", target_arch = "x86_64")))]
            Self::Vectors => false,
        }
    }

    /// Returns the fastest backend that is available.
    pub fn best() -> Self {
        if Self::Vectors.is_available() { Self::Vectors } else { Self::Portable }
    }
}

/// Errors of the selection by the environment variable.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// No backend has this name.
    #[error("{VARIABLE} names the unknown backend {0:?}; set it to arkworks, portable or vectors, or unset it")]
    Unknown(OsString),
    /// The build lacks the backend, or the processor its instructions.
    #[error(
        "the backend {name} of {VARIABLE} is not available: it needs AVX-512 IFMA and the feature `simd`; unset the \
         variable",
        name = .0.name()
    )]
    Unavailable(Backend),
}

/// Returns the backend that the environment variable selects. An empty value counts as unset.
///
/// # Errors
/// [`BackendError`] if the variable names an unknown backend, or one that is not available.
#[cfg(not(target_arch = "wasm32"))]
pub fn selected() -> Result<Backend, BackendError> {
    named(env::var_os(VARIABLE).filter(|name| !name.is_empty()).as_deref())
}

#[cfg(not(target_arch = "wasm32"))]
fn named(name: Option<&OsStr>) -> Result<Backend, BackendError> {
    let Some(name) = name else { return Ok(Backend::best()) };
    let backend = Backend::ALL.iter().copied().find(|backend| name == backend.name());
    let backend = backend.ok_or_else(|| BackendError::Unknown(name.to_owned()))?;
    if backend.is_available() { Ok(backend) } else { Err(BackendError::Unavailable(backend)) }
}

/// Returns the backend of this process.
///
/// If the environment variable is invalid, this is the best backend. With debug assertions, as in tests, an invalid
/// variable is a panic, so that no test passes with another backend than the selected one.
#[cfg(not(target_arch = "wasm32"))]
#[inline]
pub fn current() -> Backend {
    static CURRENT: OnceLock<Backend> = OnceLock::new();
    *CURRENT.get_or_init(|| {
        let selected = selected();
        debug_assert!(selected.is_ok(), "{selected:?}");
        selected.unwrap_or_else(|_| Backend::best())
    })
}

/// Returns the backend of this process.
#[cfg(target_arch = "wasm32")]
pub const fn current() -> Backend {
    Backend::Portable
}

/// Returns the token for vector instructions if the process computes with [`Backend::Vectors`].
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
#[inline]
pub fn vectors() -> Option<Ifma> {
    if current() == Backend::Vectors { Ifma::try_new() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_selects_its_backend_or_is_an_error() {
        assert_eq!(named(None), Ok(Backend::best()));
        for &backend in Backend::ALL {
            let expected = if backend.is_available() { Ok(backend) } else { Err(BackendError::Unavailable(backend)) };
            assert_eq!(named(Some(backend.name().as_ref())), expected);
        }
        for name in ["", "Portable", "vector", "portable "] {
            assert_eq!(named(Some(name.as_ref())), Err(BackendError::Unknown(name.into())));
        }
        let error = BackendError::Unavailable(Backend::Vectors).to_string();
        assert!(error.starts_with("the backend vectors of QUOTAPASS_BACKEND is not available"), "{error}");
    }

    /// Fails in a suite that runs with an invalid variable.
    #[test]
    fn the_selected_backend_computes() {
        assert_eq!(selected(), Ok(current()));
    }
}
