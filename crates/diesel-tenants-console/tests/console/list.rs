//! The list: found, paged, escaped, and fast when it is long.
use super::*;

#[tokio::test]
async fn what_people_call_tenants_is_text() {
    let site = Site::logged_in().await;
    let nasty = r#"<script>alert(1)</script>"'&"#;
    let id = site.create("NORTH", nasty);
    site.tenancy
        .hold(&id, "<img src=x onerror=alert(2)>")
        .unwrap();
    for path in [
        "/tenants",
        "/tenants/NORTH",
        "/tenants?q=<script>alert(3)</script>&status=\"><b>&health='><i>",
    ] {
        let path = path
            .replace('<', "%3C")
            .replace('>', "%3E")
            .replace('"', "%22");
        let page = site.get(&path).await;
        assert_eq!(page.status, StatusCode::OK);
        page.has_not("<script>")
            .has_not("<img")
            .has_not("<b>")
            .has_not("<i>");
    }
    site.get("/tenants").await.has("&#60;script&#62;");
    let fields = [("id", "<script>"), ("name", "x")];
    let answer = site.post("/tenants", &fields).await;
    answer.has_not("<script>");
    let answer = site
        .act("/tenants/NORTH/hold", &[("reason", "<script>\u{202e}")])
        .await;
    answer.has("icon bad").has_not("<script>");
}

#[tokio::test]
async fn search_filter_and_pages() {
    let site = Site::logged_in().await;
    site.create("NORTH", "Polar Clinic");
    site.create("SOUTH", "Desert Clinic");
    site.tenancy.suspend(&"SOUTH".parse().unwrap()).unwrap();
    site.tenancy
        .verify(&"NORTH".parse().unwrap(), &VerifyOptions::default())
        .unwrap();
    let seen = async |query: &str| {
        let page = site.get(&format!("/tenants?{query}")).await;
        (page.body.contains("Polar"), page.body.contains("Desert"))
    };
    assert_eq!(seen("").await, (true, true));
    assert_eq!(seen("q=polar").await, (true, false));
    assert_eq!(seen("q=outh").await, (false, true));
    assert_eq!(seen("q=CLINIC").await, (true, true));
    assert_eq!(seen("q=%25").await, (false, false));
    assert_eq!(seen("status=suspended").await, (false, true));
    assert_eq!(seen("health=ready").await, (true, false));
    assert_eq!(seen("health=unknown").await, (false, true));
    assert_eq!(seen("page=99").await, (true, true));
    assert_eq!(seen("page=-1").await, (true, true));
    // A slip in a filter must not turn into everybody, least of all for what is done to all that match.
    assert_eq!(seen("status=nonsense").await, (false, false));
    assert_eq!(seen("health=nonsense").await, (false, false));
}

#[tokio::test]
async fn ten_thousand_are_a_page_at_a_time_and_soon() {
    let site = Site::logged_in().await;
    site.create("FIRST", "First");
    site.tenancy
        .verify(&"FIRST".parse().unwrap(), &VerifyOptions::default())
        .unwrap();
    many(&site, 10_000);
    let mut slowest = Duration::ZERO;
    for path in [
        "/tenants",
        "/tenants?page=150",
        "/tenants?q=T04711",
        "/tenants?health=ready&page=3",
        "/tenants?q=nobody",
    ] {
        let began = Instant::now();
        let page = site.get(path).await;
        let took = began.elapsed();
        println!("{path}: {took:?}, {} bytes", page.body.len());
        slowest = slowest.max(took);
        assert_eq!(page.status, StatusCode::OK);
        assert!(
            page.body.len() < 100_000,
            "a page is a page: {}",
            page.body.len()
        );
    }
    site.get("/tenants")
        .await
        .has("10001 of 10001 tenants, page 1 of 201")
        .has(">FIRST<");
    site.get("/tenants?q=T04711")
        .await
        .has("1 of 10001 tenants")
        .has(">T04711<");
    site.get("/tenants?page=201")
        .await
        .has(">T10000<")
        .has_not(">T00001<");
    // Some 100 ms in a build without optimisation; what is guarded against is asking for each tenant.
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}

/// Rows in the catalogue like that of the first tenant, with what was found of it.
pub(super) fn many(site: &Site, count: u32) {
    let shared = &mut site.tenancy.shared().unwrap();
    shared
        .unrouted("creating that many databases would take minutes", |raw| {
            for sql in [
                format!(
                    "CREATE TEMP TABLE many AS WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
                     SELECT n, randomblob(16) AS uuid, printf('T%05d', n) AS id FROM n"
                ),
                "CREATE TEMP TABLE like_first AS SELECT * FROM __tenants_tenants".to_owned(),
                "UPDATE __tenants_catalog SET change_seq = change_seq + 1".to_owned(),
                "UPDATE like_first SET change_seq = (SELECT change_seq FROM __tenants_catalog)".to_owned(),
                "INSERT INTO __tenants_tenants (uuid, tenant_id, folded_id, display_name, subdomain, status, generation,
                     schema_version, schema_fingerprint, plan, placement, created_at, changed_at, change_seq)
                 SELECT many.uuid, id, lower(id), 'Hospital ' || n, NULL, status, generation, schema_version,
                     schema_fingerprint, plan, placement, created_at, changed_at, change_seq FROM like_first, many".to_owned(),
                "INSERT INTO __tenants_health (tenant_uuid, generation, status, findings, checked_at)
                 SELECT many.uuid, generation, status, findings, checked_at FROM __tenants_health, many".to_owned(),
            ] {
                diesel::sql_query(sql).execute(raw)?;
            }
            QueryResult::Ok(())
        })
        .unwrap();
}
