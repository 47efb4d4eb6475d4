//! A link that connects to the registry on demand, and reconnects after a lost connection.

use std::sync::{Arc, Mutex};

use quotapass_registry::{Registry, RegistryError};

use crate::lock;

type Connect = dyn Fn() -> Result<Arc<dyn Registry>, RegistryError> + Send + Sync;

/// A shared link to the registry.
pub struct RegistryLink {
    connect: Box<Connect>,
    current: Mutex<Option<Arc<dyn Registry>>>,
}

impl RegistryLink {
    /// Creates a link that connects with this function.
    pub fn new(connect: impl Fn() -> Result<Arc<dyn Registry>, RegistryError> + Send + Sync + 'static) -> Self {
        Self { connect: Box::new(connect), current: Mutex::default() }
    }

    /// Returns the registry; connects to it if there is no connection. Other callers wait meanwhile.
    ///
    /// # Errors
    /// [`RegistryError`] if the connection fails.
    pub fn get(&self) -> Result<Arc<dyn Registry>, RegistryError> {
        let current = &mut *lock(&self.current);
        if let Some(registry) = current {
            return Ok(Arc::clone(registry));
        }
        let registry = (self.connect)()?;
        Ok(Arc::clone(current.insert(registry)))
    }

    /// Drops the connection, so that the next call of [`get`](Self::get) reconnects.
    pub fn reset(&self) {
        *lock(&self.current) = None;
    }
}

impl core::fmt::Debug for RegistryLink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if lock(&self.current).is_some() { "RegistryLink(connected)" } else { "RegistryLink" })
    }
}
