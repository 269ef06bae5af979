//! Starts the service: `hospital-service [--port 8080] [--data target/hospital-service] [--behind-tls]
//! [--trusted-proxy 10.0.0.0/8]… [--forwarded]`.
//!
//! `--behind-tls` is for a proxy on this machine that ends TLS: it must write `X-Forwarded-For`, or with `--forwarded` the
//! header `Forwarded`, as who logs in too often is told apart by address. Where more proxies stand before that one,
//! `--trusted-proxy` names their addresses or networks.
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use diesel_tenants_axum::TrustedProxies;
use hospital_service::serving::serve;
use hospital_service::{HOST, demo, housekeeping, open, service, service_behind_tls};
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Where to listen, where the data is, and what stands in front.
struct Options {
    port: u16,
    data: PathBuf,
    behind_tls: bool,
    /// Besides this very machine.
    proxies: Vec<IpNet>,
    forwarded: bool,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            port: 8080,
            data: PathBuf::from("target/hospital-service"),
            behind_tls: false,
            proxies: Vec::new(),
            forwarded: false,
        };
        while let Some(option) = args.next() {
            match option.as_str() {
                "--behind-tls" => options.behind_tls = true,
                "--forwarded" => options.forwarded = true,
                "--port" | "--data" | "--trusted-proxy" => {
                    let value = args.next().ok_or(format!("{option} needs a value"))?;
                    options.set(&option, value)?;
                }
                _ => {
                    return Err(format!(
                        "no such option: {option}; --port, --data, --behind-tls, --trusted-proxy and --forwarded are"
                    ));
                }
            }
        }
        match options.behind_tls || (options.proxies.is_empty() && !options.forwarded) {
            true => Ok(options),
            false => Err("--trusted-proxy and --forwarded need --behind-tls".to_owned()),
        }
    }

    fn set(&mut self, option: &str, value: String) -> Result<(), String> {
        match option {
            "--port" => {
                let wrong = |_| format!("no port: {value}; 0 to 65535, 0 takes any");
                self.port = value.parse().map_err(wrong)?;
            }
            "--data" => self.data = PathBuf::from(value),
            _ => {
                let address = || value.parse::<IpAddr>().map(IpNet::from);
                let network = value.parse().or_else(|_| address());
                let wrong =
                    |_| format!("no proxy: {value}; an address or a network such as 10.0.0.0/8 is");
                self.proxies.push(network.map_err(wrong)?);
            }
        }
        Ok(())
    }

    /// The service listens on this machine alone, so that the last proxy is on it.
    fn trusted(&self) -> TrustedProxies {
        let proxies = TrustedProxies::LOOPBACK.into_iter();
        let proxies = proxies.chain(self.proxies.iter().copied());
        match self.forwarded {
            true => TrustedProxies::forwarded(proxies),
            false => TrustedProxies::x_forwarded_for(proxies),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // What an answer does not tell is here.
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .init();
    let options = Options::parse(std::env::args().skip(1))?;
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

    println!(
        "The data is in {}. Everything in it is invented.\n",
        options.data.display()
    );
    println!("http://{HOST}:{port}/console");
    println!("http://{HOST}:{port}/register");
    for (code, subdomain) in demo::HOSPITALS.map(|hospital| (hospital.code, hospital.subdomain)) {
        println!("http://{subdomain}.{HOST}:{port}/patients/  ({code})");
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
    let keeping = tokio::spawn(housekeeping::run(tenancy.clone()));
    let service = match options.behind_tls {
        true => service_behind_tls(tenancy.clone(), options.trusted()),
        false => service(tenancy.clone()),
    };
    serve(listener, service, ending).await?;
    keeping.abort();
    tokio::task::spawn_blocking(move || tenancy.flush_audit()).await??;
    Ok(())
}

/// Changes when somebody wants the service to end: at the terminal, or whoever supervises it.
fn ending() -> std::io::Result<watch::Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (ends, ending) = watch::channel(());
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        let _ = ends.send(());
    });
    Ok(ending)
}
