//! The disk under the journal is full, and then it is not.
//!
//! PostgreSQL gets a small file system of its own (a tmpfs, which needs the right to mount), so the
//! machine's disk is never filled. Where mounting is not permitted, the server's files are limited in
//! size instead: then its tables cannot grow, which is the same refusal without a crash of the server.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use servers::PostgresOptions;
use testkit::{Postgres, TestDatabase};
use tokio::time::sleep;

use crate::ledger_load::{Load, PATIENCE, Wallet, migrations};

const SIZE_MB: u64 = 256;
/// Less than a table and its log need to go on for long.
const LEFT_BYTES: u64 = 5 << 20;
/// A limit of the size of files that a segment of the log, 16 MB, still fits under.
const FILE_BYTES: u64 = 17 << 20;

/// Makes the journal's files larger than the limit, and leaves no row in them.
const GROW: &str = "INSERT INTO journal (partition, sequence, epoch, payload, hash) \
    SELECT 99, nullif(number, 5000), 1, decode(repeat('00', 8000), 'hex'), decode(repeat('00', 32), 'hex') \
    FROM generate_series(1, 5000) AS number";

/// A folder on a file system of its own, if that is permitted.
struct Volume {
    folder: PathBuf,
    is_mounted: bool,
}

impl Volume {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("vbwd-full-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir(&folder).unwrap();
        let size = format!("size={SIZE_MB}m,mode=0711");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder).output();
        let is_mounted = mount.is_ok_and(|output| output.status.success());
        if !is_mounted {
            println!("mounting is not permitted here: the size of files is limited instead");
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o711)).unwrap();
        }
        Self { folder, is_mounted }
    }

    fn log_file(&self) -> PathBuf {
        self.folder.with_extension("log")
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Leaves next to nothing.
    async fn fill(&self, server: &Postgres, database: &TestDatabase) {
        if !self.is_mounted {
            sqlx::query(GROW).execute(&database.superuser("wallet")).await.unwrap_err();
            return limit_files(server, &FILE_BYTES.to_string());
        }
        let mut ballast = File::create(self.ballast()).unwrap();
        let block = vec![1; 1 << 20];
        while available(&self.folder) > LEFT_BYTES + (1 << 20) {
            ballast.write_all(&block).unwrap();
        }
    }

    fn free(&self, server: &Postgres) {
        if self.is_mounted {
            std::fs::remove_file(self.ballast()).unwrap();
        } else {
            limit_files(server, "unlimited");
        }
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.is_mounted {
            let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
        let _ = std::fs::remove_file(self.log_file());
    }
}

fn available(folder: &Path) -> u64 {
    let output = Command::new("df").args(["--output=avail", "-B1"]).arg(folder).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().last().unwrap().trim().parse().unwrap()
}

/// Limits the files of the server and of everything it has started.
fn limit_files(server: &Postgres, limit: &str) {
    let Some(main) = server.pid() else { return };
    let children = std::fs::read_to_string(format!("/proc/{main}/task/{main}/children")).unwrap_or_default();
    for pid in children.split_whitespace().map(str::to_owned).chain([main.to_string()]) {
        let limit = format!("--fsize={limit}:unlimited");
        let _ = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
    }
}

fn small_server(volume: &Volume) -> Postgres {
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let options = PostgresOptions {
        log_file: volume.log_file(),
        durable: true,
        settings: vec![
            setting("shared_buffers", "16MB"),
            setting("min_wal_size", "32MB"),
            setting("max_wal_size", "48MB"),
        ],
        ..PostgresOptions::ephemeral(volume.folder.join("data"))
    };
    Postgres::start(&options).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_loses_nothing() {
    let volume = Volume::new();
    let mut server = small_server(&volume);
    let database = testkit::databases_on(&server.url(), migrations()).await;
    let wallet = Wallet::on(database, |_| {}).await;
    let clients: Vec<_> = (0..12).map(|_| wallet.client()).collect();
    let load = Load::default();
    let filling = async {
        load.more(500).await;
        volume.fill(&server, &wallet.database).await;
        load.more_failures(5).await;
        sleep(Duration::from_millis(500)).await;
        println!(
            "full: {} operations refused for now, {} bytes left",
            load.failed(),
            available(&volume.folder)
        );
        volume.free(&server);
        // A log that cannot grow ends the server itself; an operator starts it again.
        if !answers(&server.url()).await {
            println!("the database had ended");
            server.kill_9().unwrap();
            server.start_again().unwrap();
        }
        let recovered = load.more(500).await;
        println!("answers again {recovered:?} after there was room again");
        assert!(recovered < PATIENCE);
        load.end();
    };
    tokio::join!(load.clients(&clients), filling);
    wallet.audit(&load).await;
}

async fn answers(url: &str) -> bool {
    for _ in 0..20 {
        if let Ok(mut connection) = <sqlx::PgConnection as sqlx::Connection>::connect(url).await
            && sqlx::query("SELECT 1").execute(&mut connection).await.is_ok()
        {
            return true;
        }
        sleep(Duration::from_millis(100)).await;
    }
    false
}
