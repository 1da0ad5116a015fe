//! Migrations are compiled in; new files must be noticed.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/payments");
}
