//! A private certificate authority and certificates that it signs, made with openssl.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// A folder with `ca.pem`, `server.pem` and `server.key` for localhost, and `client.pem` and `client.key`.
pub struct Certificates(TempDir);

impl Certificates {
    pub fn new() -> Self {
        let certificates = Self(tempfile::tempdir().unwrap());
        let folder = certificates.0.path();
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let ca = ["-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority of a test"];
        openssl(folder, &[&["req", "-x509"], &key[..], &ca].concat());
        for (name, extensions) in [
            ("server", "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"),
            ("client", "subjectAltName=DNS:relay\nextendedKeyUsage=clientAuth\n"),
        ] {
            let [key_file, request, file, extension] = ["key", "csr", "pem", "ext"].map(|end| format!("{name}.{end}"));
            fs::write(folder.join(&extension), extensions).unwrap();
            let subject = ["-subj", "/CN=of a test", "-keyout", &key_file, "-out", &request];
            openssl(folder, &[&["req", "-new"], &key[..], &subject].concat());
            let sign = ["x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
            openssl(folder, &[&sign[..], &["-in", &request, "-out", &file, "-extfile", &extension]].concat());
        }
        certificates
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let mut openssl = Command::new("openssl");
    openssl.args(arguments).current_dir(folder).stdin(Stdio::null());
    let output = openssl.output().expect("openssl is not installed (`apt-get install openssl`)");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
