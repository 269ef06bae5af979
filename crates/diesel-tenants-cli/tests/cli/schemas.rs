//! Checks documents against the JSON Schemas in `schemas/`.
//!
//! Not a JSON Schema implementation: it knows the words that the schemas there use, fails at every other, and is stricter
//! than the standard in that a field the schema does not name is refused.
use std::path::Path;

use serde_json::Value;

/// Fails unless the document is as the schema it names says.
#[track_caller]
pub(crate) fn check(document: &Value) {
    let name = document["schema"]
        .as_str()
        .unwrap_or_else(|| panic!("no schema is named: {document}"));
    let (file, version) = name.split_once('/').expect("name/version");
    assert_eq!(version, "1", "{name}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("schemas")
        .join(format!("{file}.json"));
    let schema = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let schema: Value = serde_json::from_str(&schema).expect("a schema is JSON");
    if let Err(fault) = fits(&schema, &schema, document, "$") {
        panic!("{fault}\n{document:#}");
    }
}

fn fits(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let words = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Object(words) => words,
        other => return Err(format!("{at}: a schema that is {other}")),
    };
    for (word, rule) in words {
        match word.as_str() {
            "title" | "description" | "$schema" | "$defs" | "format" | "default" => {}
            "$ref" => {
                let name = rule.as_str().and_then(|path| path.strip_prefix("#/$defs/"));
                let target = name.and_then(|name| root["$defs"].get(name));
                fits(root, target.ok_or(format!("{at}: no {rule}"))?, value, at)?;
            }
            "type" => {
                let types = rule
                    .as_array()
                    .map_or_else(|| vec![rule], |list| list.iter().collect());
                if !types
                    .iter()
                    .any(|name| is_a(value, name.as_str().unwrap_or_default()))
                {
                    return Err(format!("{at}: {value} is no {rule}"));
                }
            }
            "const" if value == rule => {}
            "enum"
                if rule
                    .as_array()
                    .is_some_and(|allowed| allowed.contains(value)) => {}
            "minimum" if value.as_f64() >= rule.as_f64() || value.is_null() => {}
            "maximum" if value.as_f64() <= rule.as_f64() || value.is_null() => {}
            "anyOf" | "oneOf" => {
                let mut options = rule.as_array().into_iter().flatten();
                if !options.any(|option| fits(root, option, value, at).is_ok()) {
                    return Err(format!("{at}: {value} is none of {rule}"));
                }
            }
            "required" => {
                let missing = rule
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str);
                for name in missing {
                    if value.is_object() && value.get(name).is_none() {
                        return Err(format!("{at}: {name} is missing"));
                    }
                }
            }
            "properties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    let within = format!("{at}.{name}");
                    match rule.get(name) {
                        Some(schema) => fits(root, schema, field, &within)?,
                        None => return Err(format!("{within} is not in the schema")),
                    }
                }
            }
            "additionalProperties" => {
                // Beside `properties` the fields are closed already; alone it is a map.
                if !words.contains_key("properties") {
                    for (name, field) in value.as_object().into_iter().flatten() {
                        fits(root, rule, field, &format!("{at}.{name}"))?;
                    }
                }
            }
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    fits(root, rule, item, &format!("{at}[{n}]"))?;
                }
            }
            other => return Err(format!("{at}: {value} and `{other}`: {rule}")),
        }
    }
    Ok(())
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[test]
fn a_document_that_is_not_as_its_schema_says_is_refused() {
    let good = serde_json::json!({ "schema": "status/1", "id": "TH001", "from": "active", "to": "suspended" });
    check(&good);
    for (change, fault) in [
        (serde_json::json!({ "id": 1 }), "$.id: 1 is no \"string\""),
        (
            serde_json::json!({ "extra": true }),
            "$.extra is not in the schema",
        ),
        (
            serde_json::json!({ "to": null }),
            "$.to: null is no \"string\"",
        ),
    ] {
        let mut bad = good.clone();
        for (name, value) in change.as_object().expect("an object") {
            bad[name] = value.clone();
        }
        let found = std::panic::catch_unwind(|| check(&bad)).expect_err("it is refused");
        let found = found.downcast_ref::<String>().expect("a text");
        assert!(found.starts_with(fault), "{found}");
    }
}
