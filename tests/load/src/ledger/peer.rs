//! What the same PostgreSQL does without a ledger service: double entry in plain tables, driven by
//! pgbench. One transaction posts one unit: the operation under a unique id, both balances with their
//! rows locked in order, two entries with the balance after them. Once statement by statement, as
//! programs usually do it, and once as a function of the database, which saves the round trips.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use servers::Postgres;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::figures::{Figures, Spread};
use crate::ledger::RUNS;

const DATABASE: &str = "peer";
const SCHEMA: &str = "
CREATE TABLE accounts (id integer PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0))
    WITH (fillfactor = 50);
CREATE TABLE operations (id uuid PRIMARY KEY, reason text NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE entries (
    id bigserial PRIMARY KEY,
    operation_id uuid NOT NULL,
    account_id integer NOT NULL,
    amount bigint NOT NULL,
    balance_after bigint NOT NULL
);
CREATE INDEX ON entries (account_id, id);
INSERT INTO accounts SELECT id, 1000000000000 FROM generate_series(1, 10000) AS id;
";
const POST: &str = "
CREATE FUNCTION post(operation uuid, low integer, high integer, low_by bigint, why text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE low_after bigint; high_after bigint;
BEGIN
    INSERT INTO operations (id, reason) VALUES (operation, why);
    UPDATE accounts SET balance = balance + low_by WHERE id = low RETURNING balance INTO low_after;
    UPDATE accounts SET balance = balance - low_by WHERE id = high RETURNING balance INTO high_after;
    INSERT INTO entries (operation_id, account_id, amount, balance_after)
    VALUES (operation, low, low_by, low_after), (operation, high, -low_by, high_after);
END $$;";
/// Two different accounts, the lower first, and who gives.
const PAIR: &str = "\
\\set one random(1, 10000)
\\set two random(1, 9999)
\\set other case when :two >= :one then :two + 1 else :two end
\\set low least(:one, :other)
\\set high greatest(:one, :other)
\\set low_by case when random(0, 1) = 0 then 1 else -1 end
\\set high_by 0 - :low_by
";
const STATEMENTS: &str = "\
BEGIN;
INSERT INTO operations (id, reason) VALUES (gen_random_uuid(), 'bench') RETURNING id AS operation \\gset
UPDATE accounts SET balance = balance + :low_by WHERE id = :low RETURNING balance AS low_after \\gset
UPDATE accounts SET balance = balance + :high_by WHERE id = :high RETURNING balance AS high_after \\gset
INSERT INTO entries (operation_id, account_id, amount, balance_after) \
VALUES (:operation, :low, :low_by, :low_after), (:operation, :high, :high_by, :high_after);
COMMIT;
";
const FUNCTION: &str = "SELECT post(gen_random_uuid(), :low, :high, :low_by, 'bench');\n";

/// Measures both at 1 and 64 clients.
pub async fn measure(postgres: &Postgres, time: Duration, figures: &mut Figures) -> anyhow::Result<()> {
    let Some(program) = pgbench()? else {
        println!("peer.*: pgbench is not installed, nothing to compare with");
        return Ok(());
    };
    prepare(postgres).await?;
    let folder = tempfile::tempdir()?;
    for (name, posting) in [("peer.sql_double_entry", STATEMENTS), ("peer.sql_function", FUNCTION)] {
        let script = folder.path().join(name);
        std::fs::write(&script, format!("{PAIR}{posting}"))?;
        for clients in [1, 64] {
            let bench = Bench { program: &program, postgres, script: &script, clients, time };
            let rates = (0..RUNS).map(|_| bench.run()).collect::<anyhow::Result<Vec<_>>>()?;
            figures.add_spread(&format!("{name}_{clients}"), &Spread::of(rates), "posts/s")?;
        }
    }
    let mut connection = PgConnection::connect(&postgres.url()).await?;
    sqlx::raw_sql("DROP DATABASE peer").execute(&mut connection).await?;
    sqlx::raw_sql("CHECKPOINT").execute(&mut connection).await?;
    Ok(())
}

fn pgbench() -> anyhow::Result<Option<PathBuf>> {
    let all = servers::postgres_installations()?;
    let newest = all.first().context("no PostgreSQL")?.bin.join("pgbench");
    Ok(newest.is_file().then_some(newest))
}

async fn prepare(postgres: &Postgres) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(&postgres.url()).await?;
    sqlx::raw_sql("CREATE DATABASE peer").execute(&mut connection).await?;
    let mut connection = PgConnection::connect(&postgres.url_of(DATABASE)).await?;
    for text in [SCHEMA, POST, "VACUUM ANALYZE", "CHECKPOINT"] {
        sqlx::raw_sql(text).execute(&mut connection).await?;
    }
    Ok(())
}

struct Bench<'a> {
    program: &'a Path,
    postgres: &'a Postgres,
    script: &'a Path,
    clients: usize,
    time: Duration,
}

impl Bench<'_> {
    /// Transactions per second. Statements are prepared, which suits PostgreSQL best.
    fn run(&self) -> anyhow::Result<f64> {
        let mut command = Command::new(self.program);
        command.args(["--no-vacuum", "--protocol=prepared", "--host=127.0.0.1", "--username=postgres"]);
        command.arg(format!("--port={}", self.postgres.port())).env("PGPASSWORD", "bench");
        command.arg(format!("--client={}", self.clients)).arg(format!("--jobs={}", self.clients.min(2)));
        command.arg(format!("--time={}", self.time.as_secs().max(3))).arg("--file").arg(self.script);
        let output = command.arg(DATABASE).output()?;
        let (text, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "pgbench failed: {errors}");
        let line = text.lines().find_map(|line| line.strip_prefix("tps = ")).context("no tps")?;
        Ok(line.split_whitespace().next().context("no rate")?.parse()?)
    }
}
