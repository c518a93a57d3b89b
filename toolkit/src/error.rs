//! The one error type: what was wrong, where, and what to do about it.

use std::fmt;

/// `std::result::Result` with Jook's [`Error`] by default.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong; for programs that react to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A network, recipe or study that cannot be built as described.
    Spec,
    /// Data that does not fit: a broken file, a wrong shape, a label out of range.
    Data,
    /// The operating system said no.
    Io,
}

/// An error with a way out. `Display` and `Debug` both print the readable form, so that `?` and
/// `unwrap` in a cell say the same thing.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    what: String,
    place: Option<String>,
    remedy: Option<String>,
}

impl Error {
    /// A specification that cannot be built. `what` names the value found and the range expected.
    pub fn spec(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Spec, what)
    }

    /// Data that does not fit. `what` says what was expected and what was found.
    pub fn data(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, what)
    }

    /// A failed call to the operating system on `path`.
    pub fn io(path: impl AsRef<std::path::Path>, error: &std::io::Error) -> Self {
        Self::new(ErrorKind::Io, error.to_string()).at(path.as_ref().display().to_string())
    }

    fn system(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Io, what)
    }

    fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            place: None,
            remedy: None,
        }
    }

    /// Adds where it happened: a file and offset, a layer's name, a column and row.
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// Adds what it happened within, before the place that is known.
    pub(crate) fn within(mut self, place: &str) -> Self {
        self.place = Some(match self.place {
            Some(inner) => format!("{place}, {inner}"),
            None => place.to_owned(),
        });
        self
    }

    /// Adds what the reader can do about it, as an imperative.
    pub fn fix(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(place) = &self.place {
            write!(f, "\n  where: {place}")?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\n  to do: {remedy}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

/// Errors of other libraries, so that `?` passes them on from functions that give Jook's [`Result`], such as a study's
/// closure. They come with their causes.
macro_rules! passed_on {
    ($($kind:ty => $make:ident, $remedy:expr;)+) => {$(
        impl From<$kind> for Error {
            fn from(error: $kind) -> Self {
                let error = Error::$make(crate::cells::with_causes(&error));
                match $remedy {
                    "" => error,
                    remedy => error.fix(remedy),
                }
            }
        }
    )+};
}

passed_on! {
    std::io::Error => system,
        "name the file to be told which it was: `.map_err(|e| Error::io(path, &e))?`";
    std::num::ParseFloatError => data, "";
    std::num::ParseIntError => data, "";
    std::array::TryFromSliceError => data, "";
    std::char::ParseCharError => data, "";
    std::str::ParseBoolError => data, "";
    std::env::VarError => system, "";
    std::str::Utf8Error => data, "";
    std::string::FromUtf8Error => data, "";
    std::fmt::Error => data, "";
    std::time::SystemTimeError => data, "";
    image::ImageError => data, "";
    polars::error::PolarsError => data, "";
    serde_json::Error => data, "";
}

/// Any other error, in a box; one of Jook's comes out as it went in.
impl From<Box<dyn std::error::Error>> for Error {
    fn from(error: Box<dyn std::error::Error>) -> Self {
        match error.downcast::<Error>() {
            Ok(own) => *own,
            Err(other) => Error::data(crate::cells::with_causes(other.as_ref())),
        }
    }
}

/// As from a box without the bounds.
impl From<Box<dyn std::error::Error + Send + Sync>> for Error {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        let error: Box<dyn std::error::Error> = error;
        error.into()
    }
}

/// Words as an error: what was wrong.
impl From<String> for Error {
    fn from(what: String) -> Self {
        Error::data(what)
    }
}

/// Words as an error: what was wrong.
impl From<&str> for Error {
    fn from(what: &str) -> Self {
        Error::data(what)
    }
}

/// Lets a setter that takes `TryInto` accept values that always fit.
impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// Lets a setter that takes a count accept whole numbers of any type.
impl From<std::num::TryFromIntError> for Error {
    fn from(_: std::num::TryFromIntError) -> Self {
        Error::spec(
            "a whole number is out of range: expected 0 or more, and not beyond this machine's largest",
        )
    }
}
