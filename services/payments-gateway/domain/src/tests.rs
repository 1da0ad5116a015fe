//! The laws, the matrix and the stored forms, on facts with names.

mod golden;
mod laws;
mod matrix;
mod provider_reports;
pub mod samples;
