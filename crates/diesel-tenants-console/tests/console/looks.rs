//! What a page must have for those who do not see it, or do not use a mouse.
use super::list::many;
use super::*;

/// The tags of a name, as they stand in the page.
fn tags<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let open = format!("<{name}");
    let mut found = Vec::new();
    for (at, _) in page.match_indices(&open) {
        let rest = &page[at..];
        let next = rest.as_bytes()[open.len()];
        if next == b' ' || next == b'>' {
            found.push(&rest[..=rest.find('>').unwrap()]);
        }
    }
    found
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

fn examine(path: &str, page: &str) {
    assert!(
        page.starts_with("<!doctype html>\n<html lang=\"en\">"),
        "{path}"
    );
    assert_eq!(tags(page, "h1").len(), 1, "{path}: one heading");
    assert_eq!(tags(page, "main").len(), 1, "{path}");
    let (head, _) = page.split_once("</head>").unwrap();
    assert_eq!(tags(head, "title").len(), 1, "{path}");
    let ids: Vec<&str> = page
        .split(" id=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    for (index, id) in ids.iter().enumerate() {
        assert!(!ids[..index].contains(id), "{path}: two are called {id}");
    }
    for name in ["input", "select", "textarea"] {
        for tag in tags(page, name) {
            let hidden = attribute(tag, "type") == Some("hidden");
            let named =
                attribute(tag, "id").is_some_and(|id| page.contains(&format!("for=\"{id}\"")));
            let inside = page.contains(&format!("<label class=\"tick\">{tag}"));
            let called = attribute(tag, "aria-label").is_some();
            assert!(
                hidden || named || inside || called,
                "{path}: no label for {tag}"
            );
        }
    }
    for tag in tags(page, "table") {
        let table = page.split(tag).nth(1).unwrap();
        assert!(
            table.trim_start().starts_with("<caption"),
            "{path}: a table without a caption"
        );
    }
    for tag in tags(page, "th") {
        assert!(attribute(tag, "scope").is_some(), "{path}: {tag}");
    }
    for tag in tags(page, "svg") {
        let known = tag.contains("aria-hidden=\"true\"") || tag.contains("aria-label=\"");
        assert!(known, "{path}: {tag}");
    }
    for name in ["aria-labelledby", "aria-describedby"] {
        let opening = format!(" {name}=\"");
        let pointed = page.split(&opening).skip(1);
        for id in pointed.map(|rest| rest.split('"').next().unwrap()) {
            assert!(ids.contains(&id), "{path}: nothing is called {id}");
        }
    }
    if page.contains("<header>") {
        assert!(
            page.contains("<a class=\"skip\" href=\"#content\">"),
            "{path}"
        );
        assert!(page.contains(" aria-current=\""), "{path}: where am I?");
    }
}

#[tokio::test]
async fn pages_can_be_used_without_seeing_them() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    site.drop_column(&id);
    let verified = site.post("/tenants/NORTH/verify", &[]).await;
    site.act("/tenants/NORTH/back-up", &[]).await;
    site.act("/tenants/NORTH/recreate", &[("typed", "NORTH")])
        .await;
    many(&site, 60);
    let run = verified.location().to_owned();
    for path in [
        "/login",
        "/tenants",
        "/tenants?q=nobody",
        "/tenants/NORTH",
        "/tenants/NORTH/plan",
        "/runs",
        &run,
        "/audit",
        "/audit?tenant=..",
        "/upkeep",
        "/password",
        "/nowhere",
    ] {
        let page = site.get(path).await;
        examine(path, &page.body);
    }
    for path in ["/audit/verification", "/upkeep/reclaim"] {
        examine(path, &site.post(path, &[]).await.body);
    }
    for status in ["suspend", "archive"] {
        site.act(&format!("/tenants/NORTH/{status}"), &[]).await;
    }
    let gone = [("typed", "NORTH"), ("days", "0")];
    site.act("/tenants/NORTH/delete", &gone).await;
    examine("due", &site.get("/tenants/NORTH").await.body);
    examine("upkeep", &site.get("/upkeep").await.body);
}
