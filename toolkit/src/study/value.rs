//! [`Value`]: one setting of a trial, on its way into a builder's argument.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::loss::Loss;
use crate::net::{Activation, Init, Layer, NetSpec};
use crate::train::{Budget, RateSchedule, Rule};
use crate::{Error, Number, Result};

/// One setting of a trial. It converts into what a builder's setter takes (`TryInto`), and a value that
/// does not fit becomes an error that the builder reports, never a panic.
#[derive(Clone, Copy, PartialEq)]
pub struct Value {
    /// The varied name it belongs to; empty until a study hands it out.
    name: &'static str,
    content: Content,
}

/// What a setting can be. `Missing` carries the names there are, for the error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) enum Content {
    Number(f64),
    Integer(i64),
    Flag(bool),
    Text(&'static str),
    Activation(Activation),
    Init(Init),
    Data(Data),
    /// No value where one is optional, such as a recipe's patience.
    Nothing,
    Missing(&'static str),
}

/// A larger setting: a whole rule, schedule or network.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Data {
    /// Its serde form.
    json: &'static str,
    /// Its one readable line.
    line: &'static str,
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

/// Keeps one copy of each text for the life of the process, so that a value stays `Copy`. Studies have
/// few distinct names and texts.
pub(crate) fn intern(text: &str) -> &'static str {
    static TEXTS: Mutex<Option<HashMap<String, &'static str>>> = Mutex::new(None);
    let mut texts = TEXTS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let texts = texts.get_or_insert_with(HashMap::new);
    if let Some(&kept) = texts.get(text) {
        return kept;
    }
    let kept: &'static str = Box::leak(text.to_owned().into_boxed_str());
    texts.insert(text.to_owned(), kept);
    kept
}

impl Value {
    fn new(content: Content) -> Self {
        Self { name: "", content }
    }

    /// The same value under the varied name it belongs to.
    pub(crate) fn named(self, name: &str) -> Self {
        Self {
            name: intern(name),
            ..self
        }
    }

    /// Stands for a name the study does not vary; every conversion of it fails.
    pub(crate) fn missing(name: &str, known: &str) -> Self {
        Self::new(Content::Missing(intern(known))).named(name)
    }

    pub(crate) fn content(&self) -> Content {
        self.content
    }

    /// The varied name this value belongs to; empty for a value made by hand.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the study does not vary the name it was asked for.
    pub fn is_missing(&self) -> bool {
        matches!(self.content, Content::Missing(_))
    }

    /// As a number; whole numbers count.
    ///
    /// # Errors
    /// When it is not a number.
    pub fn number(&self) -> Result<f64> {
        (*self).try_into()
    }

    /// As a count: a whole number, not negative.
    ///
    /// # Errors
    /// When it is not such a number.
    pub fn count(&self) -> Result<usize> {
        (*self).try_into()
    }

    /// The value as it stands in the serde form of a spec or recipe.
    pub(crate) fn to_json(self) -> Result<serde_json::Value> {
        Ok(match self.content {
            Content::Number(x) => x.into(),
            Content::Integer(x) => x.into(),
            Content::Flag(x) => x.into(),
            Content::Text(x) => x.into(),
            Content::Activation(x) => serde_json::to_value(x).unwrap_or_default(),
            Content::Init(x) => serde_json::to_value(x).unwrap_or_default(),
            Content::Data(x) => serde_json::from_str(x.json).unwrap_or_default(),
            Content::Nothing => serde_json::Value::Null,
            Content::Missing(_) => return Err(self.unfit("a value")),
        })
    }

    /// Reads back what `Content`'s serde form says.
    pub(crate) fn from_stored(stored: &serde_json::Value) -> Option<Self> {
        if stored == "Nothing" {
            return Some(Self::new(Content::Nothing));
        }
        let (kind, inner) = stored.as_object()?.iter().next()?;
        let content = match kind.as_str() {
            "Number" => Content::Number(inner.as_f64()?),
            "Integer" => Content::Integer(inner.as_i64()?),
            "Flag" => Content::Flag(inner.as_bool()?),
            "Text" => Content::Text(intern(inner.as_str()?)),
            "Activation" => Content::Activation(Activation::deserialize(inner).ok()?),
            "Init" => Content::Init(Init::deserialize(inner).ok()?),
            "Data" => Content::Data(Data {
                json: intern(inner["json"].as_str()?),
                line: intern(inner["line"].as_str()?),
            }),
            _ => return None,
        };
        Some(Self::new(content))
    }

    fn unfit(&self, expected: &str) -> Error {
        match self.content {
            Content::Missing(known) => {
                let remedy = match known {
                    "" => "add it with .vary(name, values)".to_owned(),
                    known => format!("use one of: {known}; or add it with .vary(name, values)"),
                };
                Error::spec(format!("this study varies no setting named \"{}\"", self.name)).fix(remedy)
            }
            _ => {
                let error = Error::spec(format!("expected {expected}, found {self}"));
                match self.name {
                    "" => error,
                    name => error.at(format!("setting \"{name}\"")),
                }
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            Content::Number(x) if x != 0.0 && (x.abs() < 1e-3 || x.abs() >= 1e9) => write!(f, "{x:e}"),
            Content::Number(x) => write!(f, "{x}"),
            Content::Integer(x) => write!(f, "{x}"),
            Content::Flag(x) => write!(f, "{x}"),
            Content::Text(x) => f.write_str(x),
            Content::Activation(x) => write!(f, "{x:?}"),
            Content::Init(x) => write!(f, "{x:?}"),
            Content::Data(x) => f.write_str(x.line),
            Content::Nothing => f.write_str("none"),
            Content::Missing(_) => write!(f, "(no setting \"{}\")", self.name),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Self {
        Self::new(Content::Number(x))
    }
}

impl From<f32> for Value {
    /// By its shortest decimal, so that `0.1_f32` and `0.1` are the same setting.
    fn from(x: f32) -> Self {
        Self::new(Content::Number(x.to_string().parse().unwrap_or(f64::from(x))))
    }
}

/// Whole numbers beyond `i64` (2^63 and up) become the nearest number.
macro_rules! from_whole {
    ($($whole:ty),*) => {$(
        impl From<$whole> for Value {
            fn from(x: $whole) -> Self {
                match i64::try_from(x) {
                    Ok(x) => Self::new(Content::Integer(x)),
                    Err(_) => Self::new(Content::Number(x as f64)),
                }
            }
        }

        impl TryFrom<Value> for $whole {
            type Error = Error;

            fn try_from(value: Value) -> Result<Self> {
                let whole = match value.content {
                    Content::Integer(x) => Some(x),
                    // 2^53: beyond it a number no longer says which whole number it is.
                    Content::Number(x) if x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0 => Some(x as i64),
                    _ => None,
                };
                whole
                    .and_then(|x| <$whole>::try_from(x).ok())
                    .ok_or_else(|| value.unfit(&format!("a whole number from {} to {}", <$whole>::MIN, <$whole>::MAX)))
            }
        }
    )*};
}

from_whole!(i32, i64, u32, u64, usize);

macro_rules! from_and_back {
    ($($kind:ident, $held:ty, $expected:literal;)*) => {$(
        impl From<$held> for Value {
            fn from(x: $held) -> Self {
                Self::new(Content::$kind(x))
            }
        }

        impl TryFrom<Value> for $held {
            type Error = Error;

            fn try_from(value: Value) -> Result<Self> {
                match value.content {
                    Content::$kind(x) => Ok(x),
                    _ => Err(value.unfit($expected)),
                }
            }
        }
    )*};
}

from_and_back! {
    Flag, bool, "true or false";
    Activation, Activation, "an activation such as Relu or Maxout(2)";
    Init, Init, "an initialization such as HeUniform or Normal(0.01)";
}

macro_rules! from_data {
    ($($held:ty, $expected:literal, $line:expr;)*) => {$(
        impl From<$held> for Value {
            fn from(x: $held) -> Self {
                let json = serde_json::to_string(&x).unwrap_or_default();
                let line: fn(&$held) -> String = $line;
                Self::new(Content::Data(Data {
                    json: intern(&json),
                    line: intern(&line(&x)),
                }))
            }
        }

        impl TryFrom<Value> for $held {
            type Error = Error;

            fn try_from(value: Value) -> Result<Self> {
                match value.content {
                    Content::Data(x) => serde_json::from_str(x.json).ok(),
                    _ => None,
                }
                .ok_or_else(|| value.unfit($expected))
            }
        }
    )*};
}

from_data! {
    Rule, "an update rule such as Rule::Sgd { rate: 0.1 }", ToString::to_string;
    RateSchedule, "a schedule of the rate", |x| format!("{x:?}");
    Budget, "a stretch of training such as Budget::Epochs(20)", ToString::to_string;
    Loss, "a loss", |x| format!("{x:?}");
    NetSpec, "a network's spec", ToString::to_string;
    Vec<Layer>, "layers of a network's spec", |x| format!("{} layers", x.len());
}

/// `None` is no value: `vary("recipe.early_stopping", [None, Some(0.2)])`.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(x: Option<T>) -> Self {
        x.map_or(Self::new(Content::Nothing), Into::into)
    }
}

impl From<&str> for Value {
    fn from(x: &str) -> Self {
        Self::new(Content::Text(intern(x)))
    }
}

impl From<String> for Value {
    fn from(x: String) -> Self {
        Self::from(x.as_str())
    }
}

/// So that `recipe.batch(t["batch"])` and `net.hidden(t["units"])` work.
impl Number for Value {
    fn number(self) -> Result<f64> {
        self.try_into()
    }

    fn whole(self, least: u64) -> Result<u64> {
        let whole = match self.content {
            Content::Integer(x) => u64::try_from(x).ok().filter(|&x| x >= least),
            Content::Number(x) => x.whole(least).ok(),
            _ => None,
        };
        whole.ok_or_else(|| self.unfit(&format!("a whole number of at least {least}")))
    }
}

impl TryFrom<Value> for f64 {
    type Error = Error;

    fn try_from(value: Value) -> Result<Self> {
        match value.content {
            Content::Number(x) => Ok(x),
            Content::Integer(x) => Ok(x as f64),
            _ => Err(value.unfit("a number")),
        }
    }
}

impl TryFrom<Value> for f32 {
    type Error = Error;

    fn try_from(value: Value) -> Result<Self> {
        f64::try_from(value).map(|x| x as f32)
    }
}

impl TryFrom<Value> for &'static str {
    type Error = Error;

    fn try_from(value: Value) -> Result<Self> {
        match value.content {
            Content::Text(x) => Ok(x),
            _ => Err(value.unfit("a text")),
        }
    }
}

impl TryFrom<Value> for String {
    type Error = Error;

    fn try_from(value: Value) -> Result<Self> {
        <&str>::try_from(value).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_arrive_as_what_a_setter_takes() {
        assert_eq!(f64::try_from(Value::from(0.2)), Ok(0.2));
        assert_eq!(f64::try_from(Value::from(3)), Ok(3.0));
        assert_eq!(usize::try_from(Value::from(16)), Ok(16));
        assert_eq!(usize::try_from(Value::from(16.0)), Ok(16));
        assert_eq!(
            Activation::try_from(Value::from(Activation::Maxout(2))),
            Ok(Activation::Maxout(2))
        );
        assert_eq!(
            Init::try_from(Value::from(Init::Normal(0.01))),
            Ok(Init::Normal(0.01))
        );
        assert_eq!(bool::try_from(Value::from(true)), Ok(true));
        assert_eq!(<&str>::try_from(Value::from("adam")), Ok("adam"));
        assert_eq!(Value::from(0.1_f32), Value::from(0.1));
    }

    #[test]
    fn a_wrong_or_missing_value_is_an_error_with_its_name() {
        let error = usize::try_from(Value::from(0.5).named("units"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("0.5") && error.contains("\"units\""), "{error}");
        assert!(usize::try_from(Value::from(-1)).is_err());
        assert!(f64::try_from(Value::from(Activation::Relu)).is_err());
        assert!(Activation::try_from(Value::from(Init::Zeros)).is_err());
        let error = f64::try_from(Value::missing("dropuot", "dropout, units"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("\"dropuot\"") && error.contains("dropout, units"),
            "{error}"
        );
    }

    #[test]
    fn what_is_stored_is_read_back() {
        for value in [
            Value::from(0.25),
            Value::from(-3),
            Value::from(false),
            Value::from("a b"),
            Value::from(Activation::LeakyRelu(0.01)),
            Value::from(Activation::Elu(0.1)),
            Value::from(Activation::Mish),
            Value::from(Init::XavierNormal),
            Value::from(Init::Orthogonal(1.5)),
            Value::from(Init::Sparse(15, 0.1)),
            Value::from(Rule::Sgd { rate: 1.0 / 11.0 }),
            Value::from(1.0 / 11.0),
            Value::from(None::<f64>),
        ] {
            let stored = serde_json::to_value(value.content()).unwrap();
            assert_eq!(Value::from_stored(&stored), Some(value));
        }
    }
}
