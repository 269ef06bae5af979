//! Who tries too much, and what takes long.
use std::net::SocketAddr;

use axum::extract::ConnectInfo;

use super::*;

/// A log-in from an address, with a name of its own.
async fn knock(site: &Site, address: [u8; 4], name: &str, password: &str) -> Answer {
    let page = site.ask(Method::GET, "/login", "", None).await;
    let body = form(&[
        ("token", page.token()),
        ("username", name.to_owned()),
        ("password", password.to_owned()),
    ]);
    let mut request = Request::post("/ops/console/login")
        .header(COOKIE, page.cookie())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .unwrap();
    let peer = SocketAddr::from((address, 4711));
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = site.app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

#[tokio::test]
async fn who_changes_the_name_each_time_is_turned_away_by_address() {
    let site = Site::logged_in().await;
    let (guest, desk) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    // Whoever gets in may do so as often as they like.
    for _ in 0..3 {
        let answer = knock(&site, guest, &site.username, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
    }
    for n in 0..30 {
        let answer = knock(&site, guest, &format!("name.{n}"), "wrong").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{n}");
    }
    for name in ["name.31", &site.username] {
        let answer = knock(&site, guest, name, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        answer.has("too many attempts");
        let wait: u64 = answer.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=301).contains(&wait), "{wait}");
    }
    let elsewhere = knock(&site, desk, &site.username, PASSWORD).await;
    assert_eq!(elsewhere.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn what_reads_everything_is_asked_for_with_a_form() {
    let site = Site::logged_in().await;
    for (path, back) in [
        ("/audit/verification", "/ops/console/audit"),
        ("/upkeep/reclaim", "/ops/console/upkeep"),
    ] {
        let link = site.get(path).await;
        assert_eq!(
            (link.status, link.location()),
            (StatusCode::SEE_OTHER, back)
        );
        for body in ["", "token=x"] {
            let forged = site
                .ask(Method::POST, path, &site.cookies, Some(body.to_owned()))
                .await;
            assert_eq!(forged.status, StatusCode::FORBIDDEN, "{path}");
        }
        assert_eq!(site.post(path, &[]).await.status, StatusCode::OK, "{path}");
    }
}
