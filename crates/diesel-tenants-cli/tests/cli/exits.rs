//! Every exit code that is documented is that of a command.
use diesel::connection::SimpleConnection;

use crate::program::Place;
use crate::tour;

/// For each code a command that ends with it, and the kind of its error.
const SHOWN: [(&[&str], i32, Option<&str>); 7] = [
    (&["list"], 0, None),
    (&["backup", "LOST01"], 1, Some("failed")),
    (&["list", "--status", "happy"], 2, Some("usage")),
    (&["verify", "LOST01"], 3, None),
    (&["delete", "TH001"], 4, Some("refused")),
    (&["suspend", "TH001"], 5, Some("busy")),
    (&["show", "TH009"], 6, Some("not-found")),
];

#[test]
fn each_documented_exit_code_is_that_of_a_command() {
    let place = Place::new();
    let tenancy = place.library().open().expect("the library opens");
    for id in ["TH001", "LOST01"] {
        let new = diesel_tenants::NewTenant::named(format!("{id} Hospital"));
        let created = tenancy.create(&id.parse().expect("an id"), new);
        created.expect("it is created");
    }
    let lost = tenancy.database_file(&"LOST01".parse().expect("an id"));
    std::fs::remove_file(lost.expect("it is known").path).expect("the database is there");
    // What this process, which is alive, is doing to a tenant.
    let instances = std::fs::read_dir(place.data().join("instances")).expect("a directory");
    let instance = instances.map(|entry| entry.expect("an entry").file_name());
    let instance = instance.map(|name| name.to_string_lossy().replace('-', ""));
    let instance: String = instance.last().expect("this one");
    let under_way = format!(
        "INSERT INTO __tenants_operations (id, tenant_uuid, kind, instance, prior_status, from_generation,
                                           to_generation, started_at)
         SELECT randomblob(16), uuid, 'compact', x'{instance}', status, 1, 2, 0
         FROM __tenants_tenants WHERE tenant_id = 'TH001'"
    );
    let mut shared = tenancy.shared().expect("the shared database opens");
    shared
        .unrouted("to be busy", |raw| {
            raw.connection().batch_execute(&under_way)
        })
        .expect("the SQL runs");

    for (arguments, code, kind) in SHOWN {
        let (document, ended) = place.json(arguments);
        assert_eq!(ended, code, "{arguments:?}: {document}");
        assert_eq!(document["error"]["kind"].as_str(), kind, "{document}");
    }

    let (_, text) = tour::document();
    let table = text.split("\n## ").find(|it| it.starts_with("Exit codes"));
    let rows = table.expect("a chapter").lines();
    let documented: Vec<i32> = rows
        .filter_map(|row| row.strip_prefix("| ")?.split(" |").next()?.parse().ok())
        .collect();
    let help = place.run(["--help"]);
    let lines = help.done().lines();
    let helped: Vec<i32> = lines
        .skip_while(|line| *line != "Exit codes:")
        .filter_map(|line| line.trim_start().split("  ").next()?.parse().ok())
        .collect();
    let shown = SHOWN.map(|(_, code, _)| code);
    assert_eq!((&documented[..], &helped[..]), (&shown[..], &shown[..]));
}
