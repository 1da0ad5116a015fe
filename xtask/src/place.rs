//! Where things are: the checkout, its `.run` folder, the build folder.
//!
//! Everything a developer's fleet keeps lies below `.run`, which git ignores and `make reset`
//! deletes. One exception: PostgreSQL does not run as root, and where its user cannot reach the
//! checkout (one below `/root`, say) its data go to `/var/lib/vbwd-dev`, with a link from `.run`.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use servers::Account;

use crate::shell;

const FAR_FOLDER: &str = "/var/lib/vbwd-dev";

/// The checkout.
#[derive(Debug, Clone)]
pub struct Place {
    /// Top folder.
    pub root: PathBuf,
}

impl Place {
    /// The checkout this program was built from.
    pub fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent folder")?;
        Ok(Self { root: root.canonicalize()? })
    }

    /// The folder of the running fleet; made if missing.
    pub fn run_folder(&self) -> Result<PathBuf> {
        let folder = self.root.join(".run");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    /// A file in the run folder.
    pub fn run_file(&self, name: &str) -> PathBuf {
        self.root.join(".run").join(name)
    }

    /// Makes sure that only one command at a time starts and stops things.
    pub fn lock(&self) -> Result<File> {
        let path = self.run_folder()?.join("lock");
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(_) => bail!("Another make up, down or reset is at work in this checkout."),
        }
    }

    /// The data folder of PostgreSQL: where it is, or where it will be.
    pub fn postgres_folder(&self) -> Result<PathBuf> {
        let near = self.run_folder()?.join("postgres");
        if let Ok(target) = std::fs::read_link(&near) {
            return Ok(target);
        }
        if near.exists() || Account::for_postgres()?.can_enter(&self.run_folder()?) {
            return Ok(near);
        }
        let far = Path::new(FAR_FOLDER).join(flat(&self.root)).join("postgres");
        std::fs::create_dir_all(far.parent().unwrap_or(Path::new(FAR_FOLDER)))?;
        std::os::unix::fs::symlink(&far, &near)?;
        Ok(far)
    }

    /// Deletes the run folder and what it links to.
    pub fn forget(&self) -> Result<()> {
        let near = self.run_file("postgres");
        let target = std::fs::read_link(&near).unwrap_or_default();
        if let Some(ours) = target.parent().filter(|parent| parent.starts_with(FAR_FOLDER)) {
            remove(ours)?;
        }
        remove(&self.root.join(".run"))
    }

    /// The folder with built programs.
    pub fn target_folder(&self) -> Result<PathBuf> {
        let metadata = shell::metadata(self)?;
        let folder = metadata["target_directory"].as_str().context("cargo names no target folder")?;
        Ok(PathBuf::from(folder))
    }
}

/// `/root/vbwd` → `root-vbwd`.
fn flat(path: &Path) -> String {
    path.display().to_string().trim_start_matches('/').replace('/', "-")
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot delete {}", folder.display()))
        }
        _ => Ok(()),
    }
}
