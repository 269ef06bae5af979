//! Behind a proxy, where all requests come from one address.
use std::net::SocketAddr;

use axum::extract::ConnectInfo;

use super::*;

/// A log-in that the proxy on this machine passes on, which was sent with a header already.
fn passed_on(host: &str, from: &str, username: &str, password: &str) -> Request<Body> {
    let body = format!("username={username}&password={password}");
    let mut request = post(host, "/login", body);
    let forwarded = format!("192.0.2.77, {from}").parse().unwrap();
    request.headers_mut().insert("x-forwarded-for", forwarded);
    let proxy = SocketAddr::from(([127, 0, 0, 1], 4711));
    request.extensions_mut().insert(ConnectInfo(proxy));
    request
}

#[tokio::test]
async fn who_guesses_behind_a_proxy_keeps_out_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = open(&dir.path().join("data")).unwrap();
    let logins = demo::fill(&tenancy).unwrap();
    let owner = logins.iter().find(|login| login.what == "DMC001").unwrap();
    let (north, south) = ("dmc001.localhost", "th001.localhost");
    let app = behind_tls(&tenancy, "https://localhost");
    let (guesser, desk) = ("203.0.113.1", "203.0.113.2");
    let knock = async |host: &str, from: &str, name: &str, password: &str| {
        ask(&app, passed_on(host, from, name, password)).await.0
    };
    let log_in = async |from: &str| {
        let password = owner.password.reveal().replace('%', "%25");
        let password = password.replace('+', "%2B").replace('=', "%3D");
        let password = password.replace('?', "%3F").replace('@', "%40");
        // Whoever has no password of their own yet is let in as far as to choose one.
        let (status, _, body) = ask(&app, passed_on(north, from, &owner.username, &password)).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(body.contains("chosen"), "{body}");
    };
    // Those who get in use up nothing.
    log_in(guesser).await;
    log_in(guesser).await;
    // The owner's name, until it is locked for who guesses, and other names until the address has no attempt left.
    for n in 0..30 {
        let name = match n {
            0..5 => owner.username.clone(),
            n => format!("name.{n}"),
        };
        let status = knock(north, guesser, &name, "wrong").await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{n}");
        // What is refused before a password is compared is no guess, and uses up nothing.
        if n == 4 {
            for _ in 0..30 {
                let status = knock(north, guesser, &owner.username, "wrong").await;
                assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
            }
        }
    }
    for host in [north, south] {
        let status = knock(host, guesser, "name.31", "wrong").await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{host}");
    }
    // Everybody else is listened to, the owner by their own name.
    log_in(desk).await;
    assert_eq!(
        knock(south, desk, "nobody.there", "wrong").await,
        StatusCode::FORBIDDEN
    );
    // Registering has attempts of its own.
    let mut request = post("localhost", "/register", String::new());
    request
        .extensions_mut()
        .insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 4711))));
    let forwarded = guesser.parse().unwrap();
    request.headers_mut().insert("x-forwarded-for", forwarded);
    let (status, _, _) = ask(&app, request).await;
    assert_ne!(status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn without_a_proxy_a_header_is_believed_by_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let app = service(open(&dir.path().join("data")).unwrap());
    // Refused for what it says, so that no hospital is made.
    let knock = async |n: u8| {
        let body = "code=&name=&subdomain=&given_name=A&family_name=B&email=a&key=";
        let mut request = post("localhost", "/register", body.to_owned());
        let header = format!("203.0.113.{n}").parse().unwrap();
        request.headers_mut().insert("x-forwarded-for", header);
        let peer = SocketAddr::from(([127, 0, 0, 1], 4711));
        request.extensions_mut().insert(ConnectInfo(peer));
        ask(&app, request).await.0
    };
    for n in 0..30 {
        assert_eq!(knock(n).await, StatusCode::UNPROCESSABLE_ENTITY, "{n}");
    }
    assert_eq!(knock(31).await, StatusCode::TOO_MANY_REQUESTS);
}
