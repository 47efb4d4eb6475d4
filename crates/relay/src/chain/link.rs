//! A link that connects to the registry on demand, and reconnects after a lost connection.

use std::sync::Arc;

use parking_lot::Mutex;
use quotapass_registry::{RegistryError, RegistryReader, RegistryWriter};

type Connect = dyn Fn() -> Result<Arc<dyn RegistryWriter>, RegistryError> + Send + Sync;

/// A shared link to the registry.
pub struct RegistryLink {
    connect: Box<Connect>,
    current: Mutex<Option<Arc<dyn RegistryWriter>>>,
}

impl RegistryLink {
    /// Creates a link that connects with this function.
    pub fn new(connect: impl Fn() -> Result<Arc<dyn RegistryWriter>, RegistryError> + Send + Sync + 'static) -> Self {
        Self { connect: Box::new(connect), current: Mutex::default() }
    }

    /// Returns the registry; connects to it if there is no connection. Other callers wait meanwhile.
    ///
    /// # Errors
    /// [`RegistryError`] if the connection fails.
    pub fn reader(&self) -> Result<Arc<dyn RegistryReader>, RegistryError> {
        Ok(self.writer()?)
    }

    /// Returns the registry like [`reader`](Self::reader), to send transactions to it.
    ///
    /// # Errors
    /// As [`reader`](Self::reader).
    pub fn writer(&self) -> Result<Arc<dyn RegistryWriter>, RegistryError> {
        let current = &mut *self.current.lock();
        if let Some(registry) = current {
            return Ok(Arc::clone(registry));
        }
        let registry = (self.connect)()?;
        Ok(Arc::clone(current.insert(registry)))
    }

    /// Drops the connection, so that the next call of [`reader`](Self::reader) reconnects.
    pub fn reset(&self) {
        *self.current.lock() = None;
    }
}

impl core::fmt::Debug for RegistryLink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if self.current.lock().is_some() { "RegistryLink(connected)" } else { "RegistryLink" })
    }
}
