//! What the command line can ask for, one file each.

pub mod audit;
pub mod doctor;
pub mod migrate;
pub mod platform;
pub mod republish;
pub mod seed;
pub mod serve;
