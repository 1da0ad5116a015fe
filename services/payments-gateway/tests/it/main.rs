//! Payments on a real database, with the real sandbox over HTTP.

mod creation;
mod fixtures;
mod isolation;
mod lifecycle;
mod operations;
mod publishing;
mod reconciling;
mod webhooks;
