//! Starts the service: `hospital-service [--port 8080] [--data target/hospital-service] [--public-url https://example.org]
//! [--trusted-proxy 10.0.0.0/8]… [--forwarded] [--grace 10]`.
//!
//! `--public-url` is what browsers call it, and what its links begin with: hospitals are at hosts below that one. Without it
//! that is `http://localhost` and the port. With `https://` a proxy on this machine ends TLS: it must write
//! `X-Forwarded-For`, or with `--forwarded` the header `Forwarded`, as who logs in too often is told apart by address. Where
//! more proxies stand before that one, `--trusted-proxy` names their addresses or networks.
//!
//! SIGTERM and SIGINT end it in order. No request is taken any more, a migration of the fleet begins no other hospital, and
//! what is under way has `--grace` seconds to end. What has not ended then is cut off. That is safe: a run over the fleet is
//! in the catalogue and the next one goes on with its rest, and every operation on a hospital is finished or undone when the
//! library is opened next, as after a crash. A second signal ends it at once, which is as safe.
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use diesel_tenants::prelude::*;
use hospital_service::serving::{over, serve};
use hospital_service::{PublicUrl, demo, housekeeping, open, service_at};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::watch;

use self::options::Options;

mod options;

fn main() -> Result<(), Box<dyn Error>> {
    // What an answer does not tell is here.
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .init();
    let options = Options::parse(std::env::args().skip(1))?;
    let grace = options.grace;
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(run(options));
    let (tenancy, ended) = match served {
        Ok(served) => served,
        // Dropped, the runtime would wait for whatever it is at.
        Err(error) => {
            runtime.shutdown_background();
            return Err(error);
        }
    };
    // What works on a database does so on a thread that nothing can interrupt.
    runtime.shutdown_timeout(grace.saturating_sub(ended.elapsed()));
    if ended.elapsed() >= grace {
        eprintln!(
            "what was still under way after {} s is cut off; it is finished or undone by the next start, and the \
             rest of a migration is for the next one",
            grace.as_secs()
        );
    }
    Ok(tenancy.flush_audit()?)
}

/// Serves until a signal says to end. When that was.
async fn run(options: Options) -> Result<(Tenancy, Instant), Box<dyn Error>> {
    // Before anything is made: a second one on the same port should not change the data of the first.
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port))).await?;
    let port = listener.local_addr()?.port();
    let data = options.data.clone();
    let (tenancy, logins) = tokio::task::spawn_blocking(move || {
        let tenancy = open(&data)?;
        let logins = demo::fill(&tenancy)?;
        Ok::<_, Box<dyn Error + Send + Sync>>((tenancy, logins))
    })
    .await?
    .map_err(|error| -> Box<dyn Error> { error })?;
    // From here on both signals end it in order.
    let ending = ending()?;
    let url = options.url.clone();
    let url = url.unwrap_or_else(|| PublicUrl::localhost(port));
    say(&options, &url, &logins);
    tokio::spawn(housekeeping::run(tenancy.clone()));
    let (service, work) = service_at(tenancy.clone(), url, options.trusted());
    let ended = tokio::spawn({
        let ending = ending.clone();
        async move {
            over(ending).await;
            // Not waited for: the catalogue may be locked.
            tokio::task::spawn_blocking(move || {
                if let Err(error) = work.stop() {
                    eprintln!("the migration of the fleet was not told to end: {error}");
                }
            });
            Instant::now()
        }
    });
    serve(listener, service, ending, options.grace).await?;
    Ok((tenancy, ended.await?))
}

/// Says what there is, and how to log in.
fn say(options: &Options, url: &PublicUrl, logins: &[demo::FirstLogin]) {
    println!(
        "The data is in {}. Everything in it is invented.\n",
        options.data.display()
    );
    println!("{}", url.to("/console"));
    println!("{}", url.to("/register"));
    for (code, subdomain) in demo::HOSPITALS.map(|hospital| (hospital.code, hospital.subdomain)) {
        println!("{}  ({code})", url.below(subdomain, "/patients/"));
    }
    if logins.is_empty() {
        println!("\nLog in as before: every password that was made up has been changed.");
    } else {
        println!("\nTo log in once, and then choose a password:");
    }
    for login in logins {
        println!(
            "  {:10} {}  {}",
            login.what,
            login.username,
            login.password.reveal()
        );
    }
}

/// Changes when somebody wants the service to end: at the terminal, or whoever supervises it. Whoever says so twice is not
/// kept waiting.
///
/// Heard on a thread of its own, so that it is heard still while the service's runtime is shut down.
fn ending() -> std::io::Result<watch::Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (ends, ending) = watch::channel(());
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    // Signals of that runtime, and caught from now on.
    let entered = runtime.enter();
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    drop(entered);
    let hear = move || {
        runtime.block_on(async move {
            let mut signal = async || {
                tokio::select! {
                    _ = interrupted.recv() => {}
                    _ = terminated.recv() => {}
                }
            };
            signal().await;
            let _ = ends.send(());
            signal().await;
            eprintln!("ended at once; what was under way is finished or undone by the next start");
            std::process::exit(1);
        });
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(hear)?;
    Ok(ending)
}
