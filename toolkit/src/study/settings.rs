//! [`Settings`]: the values one trial runs with, by name.

use std::fmt;

use super::value::{Value, intern};

/// The values one trial runs with, by name, in the order they were varied.
#[derive(Clone, PartialEq)]
pub struct Settings(Vec<Value>);

impl Settings {
    pub(super) fn new(values: Vec<Value>) -> Self {
        Self(values)
    }

    /// The values, in the order they were varied.
    pub fn values(&self) -> &[Value] {
        &self.0
    }

    /// The value under `name`, if it is varied.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.0.iter().copied().find(|value| value.name() == name)
    }

    /// All names, comma-separated.
    pub(super) fn names(&self) -> String {
        let names: Vec<_> = self.0.iter().map(Value::name).collect();
        names.join(", ")
    }

    /// Whether every value of `part` is also here.
    pub(super) fn agrees_with(&self, part: &Settings) -> bool {
        part.0.iter().all(|wanted| {
            self.get(wanted.name()).is_some_and(|own| {
                own == *wanted || matches!((own.number(), wanted.number()), (Ok(a), Ok(b)) if a == b)
            })
        })
    }

    /// The stored form: pairs of name and value, exact and in order.
    pub(super) fn to_stored(&self) -> String {
        let pairs: Vec<_> = self
            .0
            .iter()
            .map(|value| (value.name(), value.content()))
            .collect();
        serde_json::to_string(&pairs).unwrap_or_default()
    }

    pub(super) fn from_stored(stored: &str) -> Option<Self> {
        let pairs: Vec<(String, serde_json::Value)> = serde_json::from_str(stored).ok()?;
        pairs
            .iter()
            .map(|(name, value)| Some(Value::from_stored(value)?.named(intern(name))))
            .collect::<Option<_>>()
            .map(Self)
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(nothing varied)");
        }
        for (i, value) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{}={value}", value.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<V: Into<Value>, const N: usize> From<[(&str, V); N]> for Settings {
    fn from(pairs: [(&str, V); N]) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| value.into().named(name))
                .collect(),
        )
    }
}

impl From<Vec<(&str, Value)>> for Settings {
    fn from(pairs: Vec<(&str, Value)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| value.named(name)).collect())
    }
}

impl From<&Settings> for Settings {
    fn from(settings: &Settings) -> Self {
        settings.clone()
    }
}
