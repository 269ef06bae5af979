//! A value as a database stores it, whatever column it is in.

/// One value, with nothing lost: what the rows of an export and of another program's database consist of.
#[derive(Debug, Clone, PartialEq)]
#[doc(hidden)]
pub enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    /// A text whose bytes are no UTF-8. SQLite takes such a one.
    BrokenText(Vec<u8>),
    Blob(Vec<u8>),
}

impl Value {
    /// Bytes it takes in memory, beside those every value takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => 0,
            Self::Text(text) => text.len(),
            Self::BrokenText(bytes) | Self::Blob(bytes) => bytes.len(),
        }
    }
}

/// What the values of a column are, by its declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum Class {
    Integer,
    Real,
    Text,
    Blob,
    /// Nothing is declared that says it.
    Any,
}

impl Class {
    /// Whether a value is one of this class.
    pub(crate) fn admits(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Integer => matches!(value, Value::Integer(_)),
            Self::Real => matches!(value, Value::Real(_) | Value::Integer(_)),
            Self::Text => matches!(value, Value::Text(_)),
            Self::Blob => matches!(value, Value::Blob(_)),
        }
    }
}

/// Pairs of hexadecimal digits in lower case.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(hex, "{byte:02x}").expect("writing to a String does not fail");
    }
    hex
}

/// The bytes of pairs of hexadecimal digits. `None` where it is anything else.
pub(crate) fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes.collect()
}
