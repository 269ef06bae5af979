//! A row as a line of JSON, and back, with nothing lost.
use serde_json::{Map, Value as Json};

use crate::value::{Value, from_hex, to_hex};

/// The longest line that is written or read, in bytes, with its end.
pub(crate) const LONGEST_LINE: usize = 1 << 30;

/// Integers up to this one, either way, are exact in every reader of JSON: 2⁵³.
const EXACT: u64 = 1 << 53;

/// The line of a row, with its end.
pub(crate) fn line(columns: &[&str], row: &[Value]) -> Vec<u8> {
    let mut line = Vec::with_capacity(64);
    for (number, (column, value)) in columns.iter().zip(row).enumerate() {
        line.push(if number == 0 { b'{' } else { b',' });
        string(&mut line, column);
        line.push(b':');
        match value {
            Value::Null => line.extend_from_slice(b"null"),
            Value::Integer(number) if number.unsigned_abs() <= EXACT => {
                line.extend_from_slice(number.to_string().as_bytes());
            }
            Value::Integer(number) => tagged(&mut line, "$int", &number.to_string()),
            // `{:?}` is the shortest text that reads as the same number, and always has a point or an exponent.
            Value::Real(number) if number.is_finite() => {
                line.extend_from_slice(format!("{number:?}").as_bytes());
            }
            Value::Real(number) => tagged(&mut line, "$real", &number.to_string()),
            Value::Text(text) => string(&mut line, text),
            Value::BrokenText(bytes) => tagged(&mut line, "$text", &to_hex(bytes)),
            Value::Blob(bytes) => tagged(&mut line, "$blob", &to_hex(bytes)),
        }
    }
    if columns.is_empty() {
        line.push(b'{');
    }
    line.extend_from_slice(b"}\n");
    line
}

fn string(line: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(line, text).expect("a string is written into memory");
}

fn tagged(line: &mut Vec<u8>, tag: &str, text: &str) {
    line.extend_from_slice(format!("{{\"{tag}\":\"{text}\"}}").as_bytes());
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadLine {
    /// No JSON object.
    #[error("it is no JSON object")]
    NotAnObject,
    /// Its columns are not those of the table.
    #[error("its columns are not those of the table")]
    Columns,
    /// A value that is none of the format's.
    #[error("a value in it is none of the format's")]
    Value,
    /// It does not end, or is too long.
    #[error("it is too long or does not end")]
    Length,
}

/// The values of a line, in the order of `columns`.
pub(crate) fn parse(columns: &[String], line: &[u8]) -> Result<Vec<Value>, BadLine> {
    let object: Map<String, Json> =
        serde_json::from_slice(line).map_err(|_| BadLine::NotAnObject)?;
    if object.len() != columns.len() {
        return Err(BadLine::Columns);
    }
    let mut object = object;
    let values = columns.iter().map(|column| {
        let value = object.remove(column.as_str()).ok_or(BadLine::Columns)?;
        read(value).ok_or(BadLine::Value)
    });
    values.collect()
}

fn read(value: Json) -> Option<Value> {
    Some(match value {
        Json::Null => Value::Null,
        Json::Number(number) if number.is_f64() => Value::Real(number.as_f64()?),
        Json::Number(number) => Value::Integer(number.as_i64()?),
        Json::String(text) => Value::Text(text),
        Json::Object(tagged) => {
            let mut tagged = tagged.into_iter();
            let (tag, text) = tagged.next()?;
            if tagged.next().is_some() {
                return None;
            }
            let text = text.as_str()?;
            match tag.as_str() {
                "$int" => Value::Integer(text.parse().ok()?),
                "$real" => match text {
                    "inf" => Value::Real(f64::INFINITY),
                    "-inf" => Value::Real(f64::NEG_INFINITY),
                    _ => return None,
                },
                "$text" => Value::BrokenText(from_hex(text)?),
                "$blob" => Value::Blob(from_hex(text)?),
                _ => return None,
            }
        }
        Json::Bool(_) | Json::Array(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            any::<f64>()
                .prop_filter("a NaN is NULL in a database", |number| !number.is_nan())
                .prop_map(Value::Real),
            any::<String>().prop_map(Value::Text),
            any::<Vec<u8>>()
                .prop_filter("a broken text", |bytes| std::str::from_utf8(bytes).is_err())
                .prop_map(Value::BrokenText),
            any::<Vec<u8>>().prop_map(Value::Blob),
        ]
    }

    /// `-0.0` equals `0.0`, and is another number.
    fn exact(values: &[Value]) -> Vec<(Value, Option<u64>)> {
        let bits = |value: &Value| match value {
            Value::Real(number) => Some(number.to_bits()),
            _ => None,
        };
        values
            .iter()
            .map(|value| (value.clone(), bits(value)))
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(row in prop::collection::vec(value(), 0..6)) {
            let columns: Vec<String> = (0..row.len()).map(|number| format!("c{number} \"é")).collect();
            let names: Vec<&str> = columns.iter().map(String::as_str).collect();
            let line = line(&names, &row);
            prop_assert!(line.ends_with(b"\n") && line.iter().filter(|byte| **byte == b'\n').count() == 1);
            prop_assert_eq!(exact(&parse(&columns, &line).unwrap()), exact(&row));
        }

        #[test]
        fn any_line_is_read_or_refused(line in any::<Vec<u8>>()) {
            let _ = parse(&["a".to_owned()], &line);
        }

        #[test]
        fn any_object_is_read_or_refused(
            line in r#"\{"a":(null|true|-?[0-9]{1,40}(\.[0-9]+)?(e[0-9]{1,4})?|"[a-z$]*"|\[\]|\{"\$(int|real|text|blob|x)":("[-0-9a-finx]{0,25}"|1)\})\}"#
        ) {
            let _ = parse(&["a".to_owned()], line.as_bytes());
        }
    }

    #[test]
    fn the_edges_of_every_kind() {
        let columns: Vec<String> = (0..12).map(|number| format!("c{number}")).collect();
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let row = [
            Value::Integer(i64::MIN),
            Value::Integer(1 << 53),
            Value::Integer((1 << 53) + 1),
            Value::Real(-0.0),
            Value::Real(1e308),
            Value::Real(5e-324),
            Value::Real(f64::NEG_INFINITY),
            Value::Real(0.1 + 0.2),
            Value::Text("a\0b\u{2028}\n\"\\".to_owned()),
            Value::Text(String::new()),
            Value::BrokenText(vec![0xff, 0]),
            Value::Blob(Vec::new()),
        ];
        let text = line(&names, &row);
        assert_eq!(
            String::from_utf8(text.clone()).unwrap(),
            "{\"c0\":{\"$int\":\"-9223372036854775808\"},\"c1\":9007199254740992,\
             \"c2\":{\"$int\":\"9007199254740993\"},\"c3\":-0.0,\"c4\":1e308,\"c5\":5e-324,\
             \"c6\":{\"$real\":\"-inf\"},\"c7\":0.30000000000000004,\"c8\":\"a\\u0000b\u{2028}\\n\\\"\\\\\",\
             \"c9\":\"\",\"c10\":{\"$text\":\"ff00\"},\"c11\":{\"$blob\":\"\"}}\n"
        );
        assert_eq!(exact(&parse(&columns, &text).unwrap()), exact(&row));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_named() {
        let columns = ["a".to_owned(), "b".to_owned()];
        for (line, wrong) in [
            ("", BadLine::NotAnObject),
            ("[]", BadLine::NotAnObject),
            ("{\"a\":1}", BadLine::Columns),
            ("{\"a\":1,\"c\":1}", BadLine::Columns),
            ("{\"a\":1,\"b\":true}", BadLine::Value),
            ("{\"a\":1,\"b\":{\"$blob\":\"0\"}}", BadLine::Value),
            (
                "{\"a\":1,\"b\":{\"$int\":\"99999999999999999999\"}}",
                BadLine::Value,
            ),
            ("{\"a\":1,\"b\":18446744073709551615}", BadLine::Value),
        ] {
            assert_eq!(parse(&columns, line.as_bytes()), Err(wrong), "{line}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(parse(&columns, deep.as_bytes()), Err(BadLine::NotAnObject));
    }
}
