//! Configuration: defaults < file < environment; an unknown key is an error.
//!
//! The defaults of the program's configuration struct are the list of all keys. An environment
//! variable is `VBWD_` and the key's path in upper case with underscores: `database.url` is
//! `VBWD_DATABASE_URL`. Everything is read and checked before a port is opened. There is no global
//! configuration: each component gets its own part.

use std::collections::BTreeMap;
use std::path::Path;

use fault::{Code, Fault};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// Prefix of the environment variables.
const PREFIX: &str = "VBWD_";
/// Variables with the prefix that are not configuration: they steer tests and tools.
const NOT_CONFIGURATION: [&str; 4] = ["VBWD_TEST_", "VBWD_UP_", "VBWD_BLESS", "VBWD_CONFIG"];

/// A secret from file or environment; shown as `***`, never written to logs.
#[derive(Clone, Default)]
pub struct Secret(SecretString);

impl Secret {
    /// The secret itself.
    #[must_use]
    pub const fn expose(&self) -> &SecretString {
        &self.0
    }

    /// Whether nothing was configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.expose_secret().is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(SecretString::from(text.to_owned()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_empty() { "(none)" } else { "***" })
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.is_empty() { "" } else { "***" })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::from(text)))
    }
}

/// Where PostgreSQL is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// Address with the owner's log-in, `postgres://owner@host:5432/vbwd`; used as it is for
    /// migrations, and with each service's own role otherwise.
    pub url: Secret,
    /// Password of the services' roles.
    pub role_password: Secret,
    /// Connections per service and process.
    pub connections_max: u32,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: Secret::default(), role_password: Secret::default(), connections_max: 12 }
    }
}

/// Where NATS is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nats {
    /// Address, `nats://host:4222`.
    pub url: Secret,
}

impl Default for Nats {
    fn default() -> Self {
        Self { url: Secret::from("nats://127.0.0.1:4222") }
    }
}

/// Reads the configuration `T` from its defaults, the file and the environment.
///
/// # Errors
/// `InvalidInput` with the key that is unknown or does not fit.
pub fn load<T>(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> fault::Result<T>
where
    T: Default + Serialize + DeserializeOwned,
{
    let defaults = serde_json::to_value(T::default()).map_err(Fault::internal)?;
    let keys = leaves(&defaults);
    let mut tree = defaults.clone();
    if let Some(file) = file {
        merge(&mut tree, read_file(file)?);
    }
    for (name, text) in environment.into_iter().filter(|(name, _)| is_configuration(name)) {
        let Some((path, default)) = keys.get(&name) else {
            return Err(refused(&name, "unknown_key"));
        };
        put(&mut tree, path, parse(&text, default));
    }
    serde_json::from_value(tree).map_err(|error| refused(&error.to_string(), "does_not_fit"))
}

/// The names of all environment variables that `T` knows, with their defaults.
///
/// # Errors
/// Never in practice: configuration structs always serialise.
pub fn variables<T: Default + Serialize>() -> fault::Result<BTreeMap<String, String>> {
    let defaults = serde_json::to_value(T::default()).map_err(Fault::internal)?;
    Ok(leaves(&defaults).into_iter().map(|(name, (_, default))| (name, default.to_string())).collect())
}

fn is_configuration(name: &str) -> bool {
    name.starts_with(PREFIX) && !NOT_CONFIGURATION.iter().any(|prefix| name.starts_with(prefix))
}

fn read_file(file: &Path) -> fault::Result<Value> {
    let shown = file.display().to_string();
    let text =
        std::fs::read_to_string(file).map_err(|error| refused(&shown, "unreadable").with_source(error))?;
    toml::from_str(&text).map_err(|error| refused(&format!("{shown}: {error}"), "malformed"))
}

fn refused(key: &str, code: &'static str) -> Fault {
    Fault::new(
        Code::InvalidInput,
        "configuration_invalid",
        format!("The configuration is wrong: {code}: {key}"),
    )
    .with_violation(key.to_owned(), code)
}

type Leaves = BTreeMap<String, (Vec<String>, Value)>;

fn leaves(tree: &Value) -> Leaves {
    let mut found = Leaves::new();
    collect(tree, &mut Vec::new(), &mut found);
    found
}

fn collect(node: &Value, path: &mut Vec<String>, found: &mut Leaves) {
    let Value::Object(children) = node else {
        let name = format!("{PREFIX}{}", path.join("_").to_uppercase());
        found.insert(name, (path.clone(), node.clone()));
        return;
    };
    for (key, child) in children {
        path.push(key.clone());
        collect(child, path, found);
        path.pop();
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn put(tree: &mut Value, path: &[String], value: Value) {
    let Some((key, rest)) = path.split_first() else {
        *tree = value;
        return;
    };
    if !tree.is_object() {
        *tree = Value::Object(Map::new());
    }
    if let Value::Object(children) = tree {
        put(children.entry(key.clone()).or_insert(Value::Null), rest, value);
    }
}

/// Text takes the type of the default: numbers, switches and lists are read as such.
fn parse(text: &str, default: &Value) -> Value {
    let as_text = || Value::String(text.to_owned());
    match default {
        Value::Number(_) | Value::Bool(_) => serde_json::from_str(text).unwrap_or_else(|_| as_text()),
        Value::Array(_) => text.split(',').map(|item| Value::String(item.trim().to_owned())).collect(),
        _ => as_text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        database: Database,
        listen: Option<String>,
        trusted: Vec<String>,
    }

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_environment_beats_the_file_and_the_file_beats_the_defaults() {
        let folder = std::env::temp_dir().join(format!("vbwd-config-{}", std::process::id()));
        std::fs::write(&folder, "listen = \"a:1\"\n[database]\nconnections_max = 3\n").unwrap();
        let config: Config =
            load(Some(&folder), env(&[("VBWD_LISTEN", "b:2"), ("VBWD_TRUSTED", "x, y")])).unwrap();
        std::fs::remove_file(&folder).unwrap();
        assert_eq!(config.listen.as_deref(), Some("b:2"));
        assert_eq!(config.database.connections_max, 3);
        assert_eq!(config.trusted, ["x", "y"]);
    }

    #[test]
    fn an_unknown_key_is_an_error_wherever_it_stands() {
        assert!(load::<Config>(None, env(&[("VBWD_LISTN", "x")])).is_err());
        assert!(load::<Config>(None, env(&[("VBWD_DATABASE_CONNECTIONS_MAX", "many")])).is_err());
        assert!(load::<Config>(None, env(&[("PATH", "x"), ("VBWD_TEST_POSTGRES_URL", "x")])).is_ok());
        let file = std::env::temp_dir().join(format!("vbwd-config-unknown-{}", std::process::id()));
        std::fs::write(&file, "listn = \"a:1\"\n").unwrap();
        assert!(load::<Config>(Some(&file), env(&[])).is_err());
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn secrets_are_not_shown() {
        let config: Config = load(None, env(&[("VBWD_DATABASE_URL", "postgres://a:hunter2@h/d")])).unwrap();
        let dump = serde_json::to_string(&config).unwrap() + &format!("{config:?}");
        assert!(!dump.contains("hunter2"));
    }
}
