//! The JSON Schemas in `schemas/` are those of the documents.
//!
//! `TENANTS_SCHEMAS=overwrite cargo test -p diesel-tenants-cli --lib` writes them anew. A field that goes away or changes its
//! meaning needs the next version in the document's `SCHEMA`.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::output::{Document, Failed};
use crate::verbs::*;

fn schema<D: JsonSchema>(name: &str) -> (String, Value) {
    let schema = SchemaSettings::draft2020_12().for_serialize();
    let schema = schema.into_generator().into_root_schema_for::<D>();
    let mut schema = schema.to_value();
    let object = schema.as_object_mut().expect("a schema is an object");
    object.insert("title".to_owned(), json!(name));
    // Every document names its schema; the envelope around it does that.
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    assert!(
        properties.get("schema").is_none(),
        "{name} has a field of the envelope"
    );
    properties["schema"] = json!({ "const": name });
    let required = object.entry("required").or_insert_with(|| json!([]));
    required
        .as_array_mut()
        .expect("a list")
        .insert(0, json!("schema"));
    (name.replace("/1", ""), schema)
}

fn of<D: Document + JsonSchema>() -> (String, Value) {
    schema::<D>(D::SCHEMA)
}

fn all() -> Vec<(String, Value)> {
    vec![
        schema::<Failed<'static>>("error/1"),
        of::<init::Initialised>(),
        of::<list::Listed>(),
        of::<show::Shown>(),
        of::<path::Located>(),
        of::<routes::Routed>(),
        of::<create::Created>(),
        of::<create::Checked>(),
        of::<create::Reserved>(),
        of::<delete::Unreserved>(),
        of::<create_test::CreatedForTest>(),
        of::<migrations::OfAll>(),
        of::<migrations::OfOne>(),
        of::<status::Changed>(),
        of::<compact::Compacted>(),
        of::<migrate::Migrated>(),
        of::<migrate::Planned>(),
        of::<runs::Listed>(),
        of::<runs::Stopped>(),
        of::<verify::Verified>(),
        of::<repair::Planned>(),
        of::<repair::Repaired>(),
        of::<reference::Lists>(),
        of::<reference::OfList>(),
        of::<backup::BackedUp>(),
        of::<backups::Listed>(),
        of::<restore::Restored>(),
        of::<undo::Undone>(),
        of::<generations::Kept>(),
        of::<clone::Cloned>(),
        of::<drill::Drilled>(),
        of::<prune::Pruned>(),
        of::<restore_shared::Restored>(),
        of::<reclaim::Reclaimed>(),
        of::<adopt::Inspected>(),
        of::<adopt::Adopted>(),
        of::<export::Exported>(),
        of::<import::Imported>(),
        of::<rename::Renamed>(),
        of::<quota::Used>(),
        of::<delete::Deleted>(),
        of::<delete::Undeleted>(),
        of::<hold::Held>(),
        of::<purge::Purged>(),
        of::<purge::DueNow>(),
        of::<recreate::Recreated>(),
        of::<stats::Counted>(),
        of::<doctor::Examined>(),
        of::<abandon::GivenUp>(),
        of::<completions::Completion>(),
        of::<audit::Listed>(),
        of::<audit::Exported>(),
        of::<audit::Verified>(),
        of::<audit::Newest>(),
        of::<audit::Pruned>(),
        of::<crate::hospital::Rebound>(),
    ]
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

#[test]
fn every_document_has_its_schema_checked_in() {
    let overwrite = std::env::var_os("TENANTS_SCHEMAS").is_some_and(|value| value == "overwrite");
    let mut names = BTreeSet::new();
    for (name, schema) in all() {
        let path = directory().join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
        if overwrite {
            std::fs::write(&path, &text).expect("the schemas can be written");
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            found,
            text,
            "{} is not the schema of the document",
            path.display()
        );
        assert!(
            names.insert(format!("{name}.json")),
            "two documents are called {name}"
        );
    }
    let listed = std::fs::read_dir(directory()).expect("there are schemas");
    let listed = listed.map(|entry| {
        entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a name")
    });
    assert_eq!(
        listed.collect::<BTreeSet<_>>(),
        names,
        "schemas that belong to no document"
    );
}
