//! Who asks: in whose name a tenant is opened, and who reaches none.
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use diesel_tenants::access::{ActorId, Membership, Principal, Role};
use diesel_tenants::audit::{AuditFilter, AuditNote, AuditPolicy};
use diesel_tenants::backend::TenantKey;
use diesel_tenants_axum::RequirePrincipal;

use super::*;

/// Nora is an admin of NORTH, Sue works in SOUTH.
struct Members;

impl Membership for Members {
    fn role(
        &self,
        _: &mut SharedContext,
        actor: &ActorId,
        tenant: &TenantKey,
    ) -> QueryResult<Option<Role>> {
        Ok(match (actor.as_str(), tenant.id.as_str()) {
            ("user:nora", "NORTH") => Some(Role::named("admin").unwrap().privileged()),
            ("user:sue", "SOUTH") => Some(Role::named("clerk").unwrap()),
            _ => None,
        })
    }
}

/// Believes a header, as a test may.
pub(super) async fn who(mut request: Request, next: Next) -> Response {
    if let Some(name) = request.headers().get("x-who") {
        let actor = format!("user:{}", name.to_str().unwrap()).parse().unwrap();
        request.extensions_mut().insert(Principal::user(actor));
    }
    next.run(request).await
}

async fn both(tenant: TenantDb) -> Result<(), RunError> {
    tenant
        .run_with_shared(|_, shared| shared.audit(&note("both")))
        .await
}

async fn whole(tenant: TenantDb) -> String {
    let entered = tenant.run_on_tenancy(|tenancy, _| tenancy.audit(&note("whole")));
    entered.await.is_ok().to_string()
}

/// What a handler may reach past `run`: the tenant itself, if anything.
async fn past(tenant: TenantDb) -> String {
    let handle = tenant.handle_of_nobody().cloned();
    let entered = tokio::task::spawn_blocking(move || handle.map(|handle| handle.enter().is_ok()));
    format!("{:?} {}", entered.await.unwrap(), tenant.uuid())
}

fn note(what: &str) -> AuditNote {
    AuditNote::new(format!("test.{what}")).unwrap()
}

#[tokio::test]
async fn a_tenant_is_opened_in_the_name_of_who_asks_and_for_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(dir.path().join("data"))
        .init()
        .shared_migrations(MigrationScript::new("1", "users", SHARED))
        .tenant_migrations(MigrationScript::new("1", "wards", TENANT))
        .membership(Members)
        .audit(AuditPolicy::PrivilegedOnly)
        .open()
        .unwrap();
    let fleet = Fleet { tenancy, _dir: dir };
    fleet.create("NORTH");
    fleet.create("SOUTH");
    let layer = || TenantLayer::new(fleet.tenancy.clone(), by_subdomain());
    let app = routes()
        .route("/both", get(both))
        .route("/whole", get(whole))
        .route("/past", get(past))
        .route_layer(RequirePrincipal)
        .route_layer(from_fn(who))
        .layer(layer());
    let ask_as = async |name: &str, host: &str, path: &str| {
        let mut request = request(host, path);
        if !name.is_empty() {
            let name = name.parse().unwrap();
            request.headers_mut().insert("x-who", name);
        }
        ask(&app, request).await
    };
    let entries = || {
        fleet.tenancy.flush_audit().unwrap();
        let all = fleet
            .tenancy
            .audit_entries(&AuditFilter::all(), 1_000)
            .unwrap();
        let ours = all
            .into_iter()
            .filter(|entry| entry.action == "tenant.open" || entry.action.starts_with("test."));
        ours.map(|entry| format!("{} {}", entry.actor, entry.action))
            .collect::<Vec<_>>()
    };
    let before = entries();

    // Nobody, on every route: told so, and no database was opened.
    for path in ["/patients", "/both", "/whole", "/users", "/health"] {
        let (status, body) = ask_as("", "north.example.com", path).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(body.contains("unauthenticated"), "{body}");
    }
    // Somebody who is no member is told what they would be of a tenant that is not there.
    let unknown = ask_as("sue", "nobody.example.com", "/patients").await;
    assert_eq!(unknown.0, StatusCode::NOT_FOUND);
    assert_eq!(
        ask_as("sue", "north.example.com", "/patients").await,
        unknown
    );
    assert_eq!(ask_as("sue", "north.example.com", "/both").await, unknown);
    assert_eq!(
        ask_as("sue", "north.example.com", "/whole").await.1,
        "false"
    );
    assert_eq!(entries(), before);

    let (status, body) = ask_as("sue", "south.example.com", "/patients").await;
    assert_eq!((status, body.contains("SOUTH")), (StatusCode::OK, true));
    assert_eq!(entries(), before, "not privileged");
    for path in ["/patients", "/both", "/whole"] {
        let (status, body) = ask_as("nora", "north.example.com", path).await;
        assert_eq!(status, StatusCode::OK, "{path} {body}");
    }
    assert_eq!(
        entries()[before.len()..],
        [
            "user:nora tenant.open",
            "user:nora tenant.open",
            "user:nora test.both",
            "user:nora tenant.open",
            "user:nora test.whole",
        ]
    );

    // Past `run` there is no way round who they are, member or not; nobody has the tenant itself.
    let uuid = fleet
        .tenancy
        .handle(&"NORTH".parse().unwrap())
        .unwrap()
        .uuid();
    let before = entries();
    for name in ["sue", "nora"] {
        let (status, body) = ask_as(name, "north.example.com", "/past").await;
        assert_eq!((status, body), (StatusCode::OK, format!("None {uuid}")));
    }
    let open = Router::new().route("/past", get(past)).layer(layer());
    let (_, body) = ask(&open, request("north.example.com", "/past")).await;
    assert_eq!(body, format!("Some(true) {uuid}"));
    assert_eq!(entries(), before);

    // Where the layer that finds out who asks was forgotten, nothing is open.
    let forgotten = routes().route_layer(RequirePrincipal).layer(layer());
    let told = ask(&forgotten, request("north.example.com", "/patients")).await;
    assert_eq!(told.0, StatusCode::UNAUTHORIZED);
}
