//! How a value of another program becomes one of ours. Pure: a value in, a value or a reason out.
use uuid::Uuid;

use crate::value::{Value, from_hex};

/// What a value is made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Conversion {
    /// As it is.
    #[default]
    Plain,
    /// A UUID, as hexadecimal digits with or without hyphens, or as 16 bytes: 16 bytes.
    Uuid,
    /// A UUID as above, or a number or word from which one is derived.
    Key,
    /// An amount: whole minor units, this many of them a power of ten.
    Money {
        scale: u32,
    },
    Integer,
    Real,
    Text,
    Boolean,
    Timestamp,
    Date,
    Time,
}

/// Why a value could not be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Misfit {
    /// Nothing, where something is needed.
    Null,
    /// Not a UUID.
    NotAUuid,
    /// Neither a UUID, a number nor a word.
    NotAKey,
    /// Not a number.
    NotANumber,
    /// A number too large, infinite, or none at all.
    OutOfRange,
    /// Not a whole number.
    NotAnInteger,
    /// Neither true nor false.
    NotABoolean,
    /// Not `YYYY-MM-DD HH:MM:SS`, or with an offset that is not UTC.
    NotATimestamp,
    /// Not `YYYY-MM-DD`.
    NotADate,
    /// Not `HH:MM:SS`.
    NotATime,
    /// A word the mapping has no word for.
    UnknownWord,
    /// A text that is no UTF-8.
    NotUtf8,
    /// Another kind of value than the column holds; the mapping must say how to convert it.
    NeedsConversion,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "NULL where a value is needed",
            Self::NotAUuid => "no UUID",
            Self::NotAKey => "no key",
            Self::NotANumber => "no number",
            Self::OutOfRange => "a number out of range",
            Self::NotAnInteger => "no whole number",
            Self::NotABoolean => "neither true nor false",
            Self::NotATimestamp => "no time in UTC",
            Self::NotADate => "no date",
            Self::NotATime => "no time of day",
            Self::UnknownWord => "a word the mapping does not know",
            Self::NotUtf8 => "a text that is no UTF-8",
            Self::NeedsConversion => "another kind of value than the column holds",
        })
    }
}

/// What keys are derived in: numbers of two tables, or of two tenants, must not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeySpace {
    /// The tenant; `None` for keys of the shared database, which mean the same in every tenant.
    pub(crate) tenant: Option<String>,
    /// The table, as the mapping calls it.
    pub(crate) table: String,
}

impl KeySpace {
    /// The key of a row that had a number or word: always the same one (a version 8 UUID of a hash).
    pub(crate) fn derive(&self, key: &str) -> Uuid {
        use sha2::{Digest as _, Sha256};
        let mut hash = Sha256::new();
        hash.update(b"diesel-tenants adopted key 1");
        for part in [self.tenant.as_deref().unwrap_or(""), &self.table, key] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let hash: [u8; 32] = hash.finalize().into();
        let (bytes, _) = hash.split_at(16);
        Uuid::new_v8(bytes.try_into().expect("half of 32 bytes"))
    }
}

/// Converts a value. NULL stays NULL.
pub(crate) fn convert(
    value: Value,
    conversion: Conversion,
    keys: &KeySpace,
) -> Result<Value, Misfit> {
    let value = match value {
        Value::Null => return Ok(Value::Null),
        Value::BrokenText(_) => return Err(Misfit::NotUtf8),
        value => value,
    };
    Ok(match conversion {
        Conversion::Plain => value,
        Conversion::Uuid => Value::Blob(uuid(&value).ok_or(Misfit::NotAUuid)?),
        Conversion::Key => {
            if let Some(uuid) = uuid(&value) {
                return Ok(Value::Blob(uuid));
            }
            let key = match &value {
                Value::Integer(number) => number.to_string(),
                Value::Text(word) if !word.is_empty() => word.clone(),
                _ => return Err(Misfit::NotAKey),
            };
            Value::Blob(keys.derive(&key).as_bytes().to_vec())
        }
        Conversion::Money { scale } => Value::Integer(minor_units(&decimal(value)?, scale)?),
        Conversion::Integer => {
            let text = decimal(value)?;
            let whole = match text.split_once('.') {
                Some((whole, rest)) if rest.bytes().all(|digit| digit == b'0') => whole,
                Some(_) => return Err(Misfit::NotAnInteger),
                None => &text,
            };
            Value::Integer(whole.parse().map_err(|_| Misfit::OutOfRange)?)
        }
        Conversion::Real => match value {
            Value::Integer(number) => Value::Real(number as f64),
            Value::Real(number) => Value::Real(number),
            other => Value::Real(decimal(other)?.parse().map_err(|_| Misfit::NotANumber)?),
        },
        Conversion::Text => Value::Text(text(value)?),
        Conversion::Boolean => Value::Integer(boolean(&value).ok_or(Misfit::NotABoolean)?.into()),
        Conversion::Timestamp => {
            Value::Text(timestamp(&text(value)?).ok_or(Misfit::NotATimestamp)?)
        }
        Conversion::Date => {
            let text = text(value)?;
            let date = text.get(..10).filter(|date| is_date(date));
            let rest = text.get(10..).unwrap_or_default();
            match date {
                Some(date) if rest.is_empty() || timestamp(&text).is_some() => {
                    Value::Text(date.to_owned())
                }
                _ => return Err(Misfit::NotADate),
            }
        }
        Conversion::Time => Value::Text(time(&text(value)?).ok_or(Misfit::NotATime)?),
    })
}

/// A value as a text. Numbers are the shortest texts that read as the same number.
pub(crate) fn text(value: Value) -> Result<String, Misfit> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Real(number) => Ok(number.to_string()),
        Value::Null => Err(Misfit::Null),
        Value::BrokenText(_) => Err(Misfit::NotUtf8),
        Value::Blob(_) => Err(Misfit::NeedsConversion),
    }
}

fn uuid(value: &Value) -> Option<Vec<u8>> {
    let bytes = match value {
        Value::Blob(bytes) => bytes.clone(),
        Value::Text(text) if text.len() == 32 => from_hex(text)?,
        Value::Text(text) if text.len() == 36 => Uuid::try_parse(text).ok()?.as_bytes().to_vec(),
        _ => return None,
    };
    (bytes.len() == 16).then_some(bytes)
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Integer(0) => Some(false),
        Value::Integer(1) => Some(true),
        Value::Text(word) => match word.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => Some(true),
            "false" | "f" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Digits, perhaps a sign before and a fraction behind. A float is the shortest text that reads as the same number, which
/// is what the program that wrote 238.44 into it meant.
fn decimal(value: Value) -> Result<String, Misfit> {
    let text = match value {
        Value::Real(number) if !number.is_finite() => return Err(Misfit::OutOfRange),
        Value::Text(text) => text.trim().to_owned(),
        Value::Integer(_) | Value::Real(_) => text(value)?,
        _ => return Err(Misfit::NotANumber),
    };
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match all_digits(whole) && all_digits(fraction) {
        true => Ok(text.strip_prefix('+').unwrap_or(&text).to_owned()),
        false => Err(Misfit::NotANumber),
    }
}

/// A decimal text in units of 10⁻ˢᶜᵃˡᵉ, rounded half to even.
fn minor_units(decimal: &str, scale: u32) -> Result<i64, Misfit> {
    let (negative, digits) = match decimal.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, decimal),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = scale as usize;
    let kept = fraction
        .get(..scale.min(fraction.len()))
        .unwrap_or_default();
    let dropped = fraction.get(kept.len()..).unwrap_or_default();
    let units = format!("{whole}{kept:0<scale$}");
    let units: i128 = units.parse().map_err(|_| Misfit::OutOfRange)?;
    let half = match dropped.as_bytes() {
        [] => std::cmp::Ordering::Less,
        [b'5', rest @ ..] if rest.iter().all(|digit| *digit == b'0') => std::cmp::Ordering::Equal,
        [first, ..] => first.cmp(&b'5').then(std::cmp::Ordering::Greater),
    };
    let up = match half {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => units % 2,
        std::cmp::Ordering::Greater => 1,
    };
    let units = units + up;
    let units = if negative { -units } else { units };
    i64::try_from(units).map_err(|_| Misfit::OutOfRange)
}

fn number(text: &str, digits: usize, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = plain.then(|| text.parse().ok()).flatten()?;
    range.contains(&number).then_some(number)
}

fn is_date(text: &str) -> bool {
    let parse = || {
        let mut parts = text.split('-');
        let year = number(parts.next()?, 4, 1..=9999)?;
        let month = number(parts.next()?, 2, 1..=12)?;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        number(parts.next()?, 2, 1..=days)?;
        parts.next().is_none().then_some(())
    };
    parse().is_some()
}

/// `HH:MM`, `HH:MM:SS` or with a fraction, as `HH:MM:SS` with the fraction.
fn time(text: &str) -> Option<String> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next());
    number(hour, 2, 0..=23)?;
    number(minute, 2, 0..=59)?;
    number(second.unwrap_or("00"), 2, 0..=59)?;
    if parts.next().is_some() || (second.is_none() && fraction.is_some()) {
        return None;
    }
    let fraction = match fraction {
        None => String::new(),
        Some(digits)
            if (1..=9).contains(&digits.len())
                && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            format!(".{digits}")
        }
        Some(_) => return None,
    };
    Some(format!(
        "{hour}:{minute}:{}{fraction}",
        second.unwrap_or("00")
    ))
}

/// A date alone is its midnight. What is not UTC is refused rather than reckoned.
fn timestamp(text: &str) -> Option<String> {
    let date = text.get(..10).filter(|date| is_date(date))?;
    let rest = match text.get(10..)?.strip_prefix([' ', 'T']) {
        Some(rest) => rest,
        None if text.len() == 10 => "00:00:00",
        None => return None,
    };
    let rest = ["Z", "+00:00", "+00"]
        .iter()
        .find_map(|utc| rest.strip_suffix(utc))
        .unwrap_or(rest);
    Some(format!("{date} {}", time(rest)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys() -> KeySpace {
        KeySpace {
            tenant: Some("th001".to_owned()),
            table: "doctors_doctor".to_owned(),
        }
    }

    fn made(value: Value, conversion: Conversion) -> Result<Value, Misfit> {
        convert(value, conversion, &keys())
    }

    fn of_text(text: &str, conversion: Conversion) -> Result<String, Misfit> {
        match made(Value::Text(text.to_owned()), conversion)? {
            Value::Text(text) => Ok(text),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn money_is_rounded_half_to_even_as_a_decimal() {
        let cents = |value| made(value, Conversion::Money { scale: 2 });
        let text = |text: &str| cents(Value::Text(text.to_owned()));
        assert_eq!(cents(Value::Real(238.44)), Ok(Value::Integer(23_844)));
        assert_eq!(cents(Value::Integer(150)), Ok(Value::Integer(15_000)));
        // As binary fractions 1.005 is less, and 0.615 more than they look.
        assert_eq!(cents(Value::Real(1.005)), Ok(Value::Integer(100)));
        assert_eq!(cents(Value::Real(0.615)), Ok(Value::Integer(62)));
        assert_eq!(cents(Value::Real(-2.675)), Ok(Value::Integer(-268)));
        assert_eq!(text("0.125"), Ok(Value::Integer(12)));
        assert_eq!(text("0.1250001"), Ok(Value::Integer(13)));
        assert_eq!(text("-0.135"), Ok(Value::Integer(-14)));
        assert_eq!(text("7"), Ok(Value::Integer(700)));
        assert_eq!(text("92233720368547758.07"), Ok(Value::Integer(i64::MAX)));
        for too_much in ["92233720368547758.08", &"9".repeat(60)] {
            assert_eq!(text(too_much), Err(Misfit::OutOfRange), "{too_much}");
        }
        for no_number in ["", "1e3", "1,50", "NaN", ".5", "5.", "--1", "１"] {
            assert_eq!(text(no_number), Err(Misfit::NotANumber), "{no_number}");
        }
        for number in [f64::INFINITY, f64::NAN, 1e300] {
            assert_eq!(cents(Value::Real(number)), Err(Misfit::OutOfRange));
        }
        let whole = |value| made(value, Conversion::Money { scale: 0 });
        assert_eq!(whole(Value::Real(2.5)), Ok(Value::Integer(2)));
        assert_eq!(whole(Value::Real(3.5)), Ok(Value::Integer(4)));
    }

    #[test]
    fn a_key_is_a_uuid_or_becomes_one_that_stays_the_same() {
        let hex = "0190a1b2c3d47e5f8a9b0c1d2e3f4a5b";
        let bytes = Value::Blob(from_hex(hex).unwrap());
        for text in [
            hex,
            "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
            &hex.to_uppercase(),
        ] {
            assert_eq!(
                made(Value::Text(text.to_owned()), Conversion::Uuid),
                Ok(bytes.clone())
            );
            assert_eq!(
                made(Value::Text(text.to_owned()), Conversion::Key),
                Ok(bytes.clone())
            );
        }
        assert_eq!(made(bytes.clone(), Conversion::Uuid), Ok(bytes));
        for no_uuid in [
            Value::Integer(7),
            Value::Text("7".to_owned()),
            Value::Blob(vec![1; 15]),
        ] {
            assert_eq!(made(no_uuid, Conversion::Uuid), Err(Misfit::NotAUuid));
        }
        let seven = keys().derive("7");
        // Stored ids depend on this: another value here orphans every row that was adopted before.
        assert_eq!(seven.to_string(), "af58b71b-de51-8ef9-8e78-ac8920a66cd6");
        assert_eq!(
            made(Value::Integer(7), Conversion::Key),
            Ok(Value::Blob(seven.as_bytes().to_vec()))
        );
        let other_table = KeySpace {
            table: "x".to_owned(),
            ..keys()
        };
        let other_tenant = KeySpace {
            tenant: Some("th002".to_owned()),
            ..keys()
        };
        let shared = KeySpace {
            tenant: None,
            ..keys()
        };
        for other in [other_table, other_tenant, shared] {
            assert_ne!(other.derive("7"), seven);
        }
    }

    #[test]
    fn times_in_the_shapes_they_come_in() {
        for (given, wanted) in [
            ("2025-08-16 09:05:00.123456", "2025-08-16 09:05:00.123456"),
            ("2025-08-16T09:05:00Z", "2025-08-16 09:05:00"),
            ("2025-08-16 09:05:00+00:00", "2025-08-16 09:05:00"),
            ("2024-02-29", "2024-02-29 00:00:00"),
            ("2025-08-16 09:05", "2025-08-16 09:05:00"),
        ] {
            assert_eq!(of_text(given, Conversion::Timestamp).as_deref(), Ok(wanted));
        }
        for wrong in [
            "",
            "2025-02-29",
            "2025-8-16",
            "2025-08-16 24:00:00",
            "2025-08-16 09:05:00+02:00",
            "16.08.2025",
            "2025-08-16 09:05:00.",
            "2025-08-16x09:05:00",
            "é025-08-16",
            "2025-08-16 9:05",
        ] {
            assert_eq!(
                of_text(wrong, Conversion::Timestamp),
                Err(Misfit::NotATimestamp),
                "{wrong}"
            );
        }
        assert_eq!(
            of_text("2025-08-16 09:05:00", Conversion::Date).as_deref(),
            Ok("2025-08-16")
        );
        assert_eq!(
            of_text("2025-08-16 later", Conversion::Date),
            Err(Misfit::NotADate)
        );
        assert_eq!(
            of_text("09:05", Conversion::Time).as_deref(),
            Ok("09:05:00")
        );
        assert_eq!(of_text("25:05", Conversion::Time), Err(Misfit::NotATime));
    }

    #[test]
    fn the_other_kinds() {
        assert_eq!(
            made(Value::Text("False".to_owned()), Conversion::Boolean),
            Ok(Value::Integer(0))
        );
        assert_eq!(
            made(Value::Integer(2), Conversion::Boolean),
            Err(Misfit::NotABoolean)
        );
        assert_eq!(
            made(Value::Real(3.0), Conversion::Integer),
            Ok(Value::Integer(3))
        );
        assert_eq!(
            made(Value::Real(3.5), Conversion::Integer),
            Err(Misfit::NotAnInteger)
        );
        assert_eq!(
            made(Value::Text("1.5".to_owned()), Conversion::Real),
            Ok(Value::Real(1.5))
        );
        assert_eq!(
            made(Value::Integer(5), Conversion::Text),
            Ok(Value::Text("5".to_owned()))
        );
        assert_eq!(
            made(Value::BrokenText(vec![0xff]), Conversion::Plain),
            Err(Misfit::NotUtf8)
        );
        assert_eq!(made(Value::Null, Conversion::Date), Ok(Value::Null));
    }

    proptest! {
        #[test]
        fn any_text_is_converted_or_refused(text in any::<String>(), shaped in "[-0-9 :.TZ+]{0,30}") {
            for text in [text, shaped] {
                for conversion in [
                    Conversion::Uuid, Conversion::Key, Conversion::Money { scale: 2 }, Conversion::Integer,
                    Conversion::Real, Conversion::Boolean, Conversion::Timestamp, Conversion::Date, Conversion::Time,
                ] {
                    let _ = made(Value::Text(text.clone()), conversion);
                }
            }
        }

        #[test]
        fn cents_come_back_from_the_float_they_were_written_as(cents in -99_999_999_999_i64..99_999_999_999) {
            let float = cents as f64 / 100.0;
            prop_assert_eq!(made(Value::Real(float), Conversion::Money { scale: 2 }), Ok(Value::Integer(cents)));
        }
    }
}
