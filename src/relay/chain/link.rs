//! A registry that is connected to when it is needed, and again when the connection was lost.

use std::sync::{Arc, Mutex};

use crate::{
    registry::{Registry, RegistryError},
    relay::lock,
};

type Connect = dyn Fn() -> Result<Arc<dyn Registry>, RegistryError> + Send + Sync;

/// Gives the registry to all who need it.
pub struct RegistryLink {
    connect: Box<Connect>,
    current: Mutex<Option<Arc<dyn Registry>>>,
}

impl RegistryLink {
    /// A link that connects with this function.
    pub fn new(connect: impl Fn() -> Result<Arc<dyn Registry>, RegistryError> + Send + Sync + 'static) -> Self {
        Self { connect: Box::new(connect), current: Mutex::default() }
    }

    /// The registry; connects to it if there is no connection. Others that ask meanwhile wait.
    ///
    /// # Errors
    /// [`RegistryError`] if it cannot be connected to.
    pub fn get(&self) -> Result<Arc<dyn Registry>, RegistryError> {
        let current = &mut *lock(&self.current);
        if let Some(registry) = current {
            return Ok(Arc::clone(registry));
        }
        let registry = (self.connect)()?;
        Ok(Arc::clone(current.insert(registry)))
    }

    /// Gives the connection up, so that whoever asks next connects anew.
    pub fn reset(&self) {
        *lock(&self.current) = None;
    }
}

impl core::fmt::Debug for RegistryLink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if lock(&self.current).is_some() { "RegistryLink(connected)" } else { "RegistryLink" })
    }
}
