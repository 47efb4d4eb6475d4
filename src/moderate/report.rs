//! Bodies of reports, which may be encrypted to the moderators.

use std::{
    io::{BufReader, Read as _},
    path::PathBuf,
};

use age::{Decryptor, Identity, IdentityFile, armor::ArmoredReader};
use anyhow::{Context as _, Result};
use quotapass_protocol::moderation::{MAX_REPORT_BODY, ReportBody};

/// Keys of age that open reports.
pub(super) struct Openers(Vec<Box<dyn Identity>>);

/// What a moderator sees of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// The body.
    Body(ReportBody),
    /// The body is encrypted, and no key was given.
    Encrypted,
    /// The body does not open, or is no report.
    Unreadable(String),
}

impl Openers {
    /// Reads files of age identities, as `age-keygen` writes them.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut openers = Vec::new();
        for path in paths {
            let cannot = || format!("cannot read the age identity {}", path.display());
            let file = std::fs::File::open(path).with_context(cannot)?;
            let identities = IdentityFile::from_buffer(BufReader::new(file)).with_context(cannot)?;
            openers.extend(identities.into_identities().with_context(cannot)?.into_iter().map(|identity| {
                let identity: Box<dyn Identity> = identity;
                identity
            }));
        }
        Ok(Self(openers))
    }

    /// Opens the body of a report.
    pub(super) fn open(&self, body: &[u8]) -> Opened {
        if let Ok(report) = serde_json::from_slice(body) {
            return Opened::Body(report);
        }
        if self.0.is_empty() {
            return Opened::Encrypted;
        }
        match self.decrypt(body) {
            Ok(report) => Opened::Body(report),
            Err(error) => Opened::Unreadable(format!("{error:#}")),
        }
    }

    fn decrypt(&self, body: &[u8]) -> Result<ReportBody> {
        let reader = Decryptor::new_buffered(ArmoredReader::new(body)).context("it is not encrypted with age")?;
        let identities = self.0.iter().map(AsRef::as_ref);
        let opened = reader.decrypt(identities).context("it is not encrypted to this key")?;
        let mut content = Vec::new();
        // A stranger wrote it; what it opens to is no longer than itself.
        opened.take(MAX_REPORT_BODY as u64).read_to_end(&mut content).context("it was changed")?;
        serde_json::from_slice(&content).context("it is not a report")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use age::{Encryptor, secrecy::ExposeSecret as _, x25519};
    use quotapass_protocol::moderation::Reason;

    use super::*;

    fn encrypted(to: &x25519::Identity, content: &[u8]) -> Vec<u8> {
        let recipient = to.to_public();
        let encryptor = Encryptor::with_recipients([&recipient as &dyn age::Recipient].into_iter()).unwrap();
        let mut body = Vec::new();
        let mut writer = encryptor.wrap_output(&mut body).unwrap();
        writer.write_all(content).unwrap();
        writer.finish().unwrap();
        body
    }

    #[test]
    fn a_report_opens_with_the_key_it_is_encrypted_to_alone() {
        let folder = tempfile::tempdir().unwrap();
        let keys = [(); 2].map(|()| x25519::Identity::generate());
        let openers = |key: &x25519::Identity, name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, format!("# a comment\n{}\n", key.to_string().expose_secret())).unwrap();
            Openers::read(&[path]).unwrap()
        };
        let report = ReportBody { comment: Some("look".into()), ..ReportBody::of(Reason::Hate) }.with_message(b"hi");
        let json = serde_json::to_vec(&report).unwrap();
        let body = encrypted(&keys[0], &json);
        let none = Openers::read(&[]).unwrap();
        assert_eq!(none.open(&json), Opened::Body(report.clone()));
        assert_eq!(none.open(&body), Opened::Encrypted);
        assert_eq!(openers(&keys[0], "a").open(&body), Opened::Body(report));
        let Opened::Unreadable(reason) = openers(&keys[1], "b").open(&body) else { panic!("opened") };
        assert!(reason.starts_with("it is not encrypted to this key"), "{reason}");
        let Opened::Unreadable(reason) = openers(&keys[0], "c").open(b"nothing") else { panic!("opened") };
        assert!(reason.starts_with("it is not encrypted with age"), "{reason}");
        let other = encrypted(&keys[0], b"{\"reason\":\"praise\"}");
        assert!(
            matches!(openers(&keys[0], "d").open(&other), Opened::Unreadable(reason) if reason.starts_with("it is not a report"))
        );
        assert!(Openers::read(&[folder.path().join("none")]).is_err());
    }
}
