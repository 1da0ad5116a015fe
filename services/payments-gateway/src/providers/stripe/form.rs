//! The body of a request: form fields in the order in which they were set, so that the same request
//! is the same bytes and its idempotency key fits.

/// Form fields.
#[derive(Debug, Clone, Default)]
pub struct Form(pub Vec<(String, String)>);

impl Form {
    /// Sets a field.
    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.0.push((name.to_owned(), value.to_string()));
    }

    /// Sets a field unless it says nothing.
    pub fn set_text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.set(name, value);
        }
    }
}
