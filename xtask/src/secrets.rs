//! The secrets of a developer's fleet: made once, kept in `.run/secrets`, readable by the owner only.
//!
//! PostgreSQL takes the superuser's password when the data folder is made. So secrets and data live
//! and die together: secrets missing beside existing data is an error that says what to do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::shell;

const SECRET_BYTES: usize = 32;

/// What must not be guessable.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Password of PostgreSQL's superuser.
    pub superuser_password: String,
    /// Password of the services' roles.
    pub role_password: String,
    /// The fleet's own secret.
    pub fleet_secret: String,
}

impl Secrets {
    /// Reads them, or makes them when neither they nor any data are there.
    pub fn read_or_make(file: &Path, data_folder: &Path) -> Result<Self> {
        if file.exists() {
            return Self::parse(&shell::read(file)?)
                .with_context(|| format!("{} is damaged; make reset starts afresh", file.display()));
        }
        if data_folder.exists() {
            bail!(
                "The secrets {} are gone, the data are still there; make reset starts afresh.",
                file.display()
            );
        }
        let made = Self { superuser_password: random()?, role_password: random()?, fleet_secret: random()? };
        made.write(file).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(made)
    }

    fn parse(text: &str) -> Result<Self> {
        let lines: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let take = |name: &str| match lines.get(name) {
            Some(value) if value.len() == 2 * SECRET_BYTES => Ok((*value).to_owned()),
            _ => bail!("it has no {name}"),
        };
        Ok(Self {
            superuser_password: take("superuser_password")?,
            role_password: take("role_password")?,
            fleet_secret: take("fleet_secret")?,
        })
    }

    fn write(&self, file: &Path) -> Result<()> {
        let text = format!(
            "superuser_password={}\nrole_password={}\nfleet_secret={}\n",
            self.superuser_password, self.role_password, self.fleet_secret
        );
        let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        Ok(opened.write_all(text.as_bytes())?)
    }
}

fn random() -> Result<String> {
    let mut bytes = [0_u8; SECRET_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _writing_to_a_string_works = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_read_again_and_closed_to_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (file, data) = (folder.path().join("secrets"), folder.path().join("postgres"));
        let made = Secrets::read_or_make(&file, &data).unwrap();
        std::fs::create_dir(&data).unwrap();
        let read = Secrets::read_or_make(&file, &data).unwrap();
        assert_eq!(made.fleet_secret, read.fleet_secret);
        assert_ne!(made.fleet_secret, made.role_password);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn data_without_secrets_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = Secrets::read_or_make(&folder.path().join("secrets"), folder.path()).unwrap_err();
        assert!(error.to_string().contains("make reset"));
    }

    #[test]
    fn damaged_secrets_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets");
        std::fs::write(&file, "fleet_secret=short\n").unwrap();
        assert!(Secrets::read_or_make(&file, folder.path()).is_err());
    }
}
