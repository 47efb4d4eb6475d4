//! The operator's own listener, which serves `/healthz`, `/readyz` and `/metrics` independently of the public listener.
//!
//! Without it, an attacker who takes all public connections makes the relay look dead to its monitoring, which then
//! restarts it. Only the owner of a Unix socket can connect to it.

use core::{fmt, net::SocketAddr, str::FromStr};
use std::{
    io,
    path::{Path, PathBuf},
};

use tokio::net::TcpListener;

/// Address of the operator's own listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// An address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// Error for text that is not an [`AdminAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a listener address; write one such as 127.0.0.1:8481, or unix: and the path of a socket")]
pub struct AdminAddressError;

impl FromStr for AdminAddress {
    type Err = AdminAddressError;

    fn from_str(text: &str) -> Result<Self, AdminAddressError> {
        match text.strip_prefix("unix:") {
            Some("") => Err(AdminAddressError),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| AdminAddressError),
        }
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Errors of [`AdminListener::bind`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The system refuses to listen on the address.
    #[error("cannot listen on {address}: {error}; choose another `address` in [admin]")]
    Listen {
        /// The address.
        address: AdminAddress,
        /// The system's error.
        error: io::Error,
    },
    /// Another program listens on the address.
    #[error("another program listens on {0}; stop it, or choose another `address` in [admin]")]
    InUse(AdminAddress),
    /// The socket's path exists and is not a socket.
    #[error("{0} exists and is not a socket; remove it, or choose another `address` in [admin]")]
    NoSocket(PathBuf),
}

/// The listening socket.
pub(super) enum Sockets {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

/// The operator's own listener. Dropping it removes the file of a Unix socket.
pub struct AdminListener {
    sockets: Sockets,
    file: SocketFile,
}

impl fmt::Debug for AdminListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminListener").finish_non_exhaustive()
    }
}

impl AdminListener {
    /// Starts to listen. A Unix socket has mode 0600 from the start. A socket that a killed relay left behind is
    /// replaced.
    ///
    /// # Errors
    /// If the address is in use, or the system refuses it.
    pub async fn bind(address: &AdminAddress) -> Result<Self, AdminError> {
        let failed = |error| AdminError::Listen { address: address.clone(), error };
        match address {
            AdminAddress::Tcp(address) => {
                let sockets = Sockets::Tcp(TcpListener::bind(address).await.map_err(failed)?);
                Ok(Self { sockets, file: SocketFile(None) })
            }
            AdminAddress::Unix(path) => {
                if is_answered(path).map_err(failed)?.ok_or_else(|| AdminError::NoSocket(path.clone()))? {
                    return Err(AdminError::InUse(address.clone()));
                }
                bind_socket(path).map_err(failed)
            }
        }
    }

    /// Returns the address that it listens on; `None` for a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.sockets {
            Sockets::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Sockets::Unix(_) => None,
        }
    }

    pub(super) fn into_parts(self) -> (Sockets, SocketFile) {
        (self.sockets, self.file)
    }
}

/// Returns whether a program listens at a path; `None` if the path exists and is not a socket.
#[cfg(unix)]
fn is_answered(path: &Path) -> io::Result<Option<bool>> {
    use std::os::unix::{fs::FileTypeExt, net::UnixStream};
    match path.symlink_metadata() {
        Ok(found) if !found.file_type().is_socket() => Ok(None),
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => Ok(Some(true)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Some(false)),
            Err(error) => Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(false)),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn bind_socket(path: &Path) -> io::Result<AdminListener> {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt},
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // In a folder that no other user may enter, so that no other user connects before the mode is set.
    let private = tempfile::Builder::new()
        .prefix(".")
        .rand_bytes(6)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(parent)?;
    let hidden = private.path().join("s");
    let listener = tokio::net::UnixListener::bind(&hidden)?;
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o600))?;
    fs::rename(&hidden, path)?;
    let inode = path.symlink_metadata()?.ino();
    Ok(AdminListener { sockets: Sockets::Unix(listener), file: SocketFile(Some((path.to_path_buf(), inode))) })
}

#[cfg(not(unix))]
fn is_answered(_path: &Path) -> io::Result<Option<bool>> {
    Ok(Some(false))
}

#[cfg(not(unix))]
fn bind_socket(_path: &Path) -> io::Result<AdminListener> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets"))
}

/// A socket's file with its inode. Dropping it removes the file, unless another file has replaced it.
pub(super) struct SocketFile(Option<(PathBuf, u64)>);

impl Drop for SocketFile {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some((path, inode)) = &self.0 {
            use std::os::unix::fs::MetadataExt;
            if path.symlink_metadata().is_ok_and(|found| found.ino() == *inode) {
                // If the removal fails, the next start replaces the file.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{
        fs,
        os::unix::{fs::PermissionsExt, net::UnixStream},
    };

    use super::*;

    fn bind(address: &AdminAddress) -> Result<AdminListener, AdminError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(AdminListener::bind(address))
    }

    #[test]
    fn addresses_are_read_and_written() {
        for text in ["127.0.0.1:8481", "[::1]:8481", "unix:/run/relay/admin.sock", "unix:admin.sock"] {
            assert_eq!(text.parse::<AdminAddress>().unwrap().to_string(), text);
        }
        for text in ["", "unix:", "8481", "/run/admin.sock", "localhost:8481"] {
            assert_eq!(text.parse::<AdminAddress>(), Err(AdminAddressError), "{text}");
        }
    }

    #[test]
    fn a_socket_is_its_owners_alone_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let address = AdminAddress::Unix(path.clone());
        let listener = bind(&address).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        UnixStream::connect(&path).unwrap();
        assert!(matches!(bind(&address), Err(AdminError::InUse(_))));
        drop(listener);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_socket_that_was_left_behind_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let address = AdminAddress::Unix(path.clone());
        // The state that a killed relay leaves.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(UnixStream::connect(&path).is_err());
        let first = bind(&address).unwrap();
        UnixStream::connect(&path).unwrap();
        // Another listener replaces the file, and owns it from then on.
        fs::remove_file(&path).unwrap();
        let second = bind(&address).unwrap();
        drop(first);
        UnixStream::connect(&path).unwrap();
        drop(second);
        fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&address), Err(AdminError::NoSocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let nowhere = AdminAddress::Unix(folder.path().join("none").join("admin.sock"));
        assert!(matches!(bind(&nowhere), Err(AdminError::Listen { .. })));
    }
}
