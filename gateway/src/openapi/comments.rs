//! The comments of the proto files, by the place of what they describe.

use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, EnumValueDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor,
};

/// All leading comments.
pub struct Comments(HashMap<(String, Vec<i32>), String>);

impl Comments {
    /// Reads the source information of every file.
    #[must_use]
    pub fn read(pool: &DescriptorPool) -> Self {
        let mut found = HashMap::new();
        for file in pool.files() {
            let source = file.file_descriptor_proto().source_code_info.iter();
            for location in source.flat_map(|source| &source.location) {
                if let Some(comment) = &location.leading_comments {
                    found.insert((file.name().to_owned(), location.path.clone()), unwrapped(comment));
                }
            }
        }
        Self(found)
    }

    fn at(&self, file: &FileDescriptor, path: &[i32]) -> String {
        self.0.get(&(file.name().to_owned(), path.to_vec())).cloned().unwrap_or_default()
    }

    /// What a service is.
    pub fn service(&self, of: &ServiceDescriptor) -> String {
        self.at(&of.parent_file(), of.path())
    }

    /// What an rpc does.
    pub fn method(&self, of: &MethodDescriptor) -> String {
        self.at(&of.parent_file(), of.path())
    }

    /// What a message is.
    pub fn message(&self, of: &MessageDescriptor) -> String {
        self.at(&of.parent_file(), of.path())
    }

    /// What a field says.
    pub fn field(&self, of: &FieldDescriptor) -> String {
        self.at(&of.parent_file(), of.path())
    }

    /// What an enum distinguishes.
    pub fn enumeration(&self, of: &EnumDescriptor) -> String {
        self.at(&of.parent_file(), of.path())
    }

    /// What a value of an enum means.
    pub fn value(&self, of: &EnumValueDescriptor) -> String {
        self.at(&of.parent_file(), of.path())
    }
}

/// A comment's lines as one paragraph.
fn unwrapped(comment: &str) -> String {
    comment.split_whitespace().collect::<Vec<_>>().join(" ")
}
