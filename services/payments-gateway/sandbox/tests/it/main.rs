//! The sandbox over real HTTP, on a real database.

mod api;
mod fixtures;
mod page;
mod webhooks;
