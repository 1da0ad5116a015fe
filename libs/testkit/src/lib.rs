//! Private servers, test databases and an in-process fleet for tests.
