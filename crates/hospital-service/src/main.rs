//! Starts the service: `hospital-service [--port 8080] [--data target/hospital-service] [--behind-tls]`.
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use hospital_service::{HOST, demo, housekeeping, open, service, service_behind_tls};
use tokio::net::TcpListener;

/// Where to listen and where the data is.
struct Options {
    port: u16,
    data: PathBuf,
    behind_tls: bool,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            port: 8080,
            data: PathBuf::from("target/hospital-service"),
            behind_tls: false,
        };
        while let Some(option) = args.next() {
            if option == "--behind-tls" {
                options.behind_tls = true;
                continue;
            }
            let value = args.next().ok_or(format!("{option} needs a value"))?;
            match option.as_str() {
                "--port" => {
                    options.port = value
                        .parse()
                        .map_err(|_| format!("no port: {value}; 0 to 65535, 0 takes any"))?;
                }
                "--data" => options.data = PathBuf::from(value),
                _ => {
                    return Err(format!(
                        "no such option: {option}; --port, --data and --behind-tls are"
                    ));
                }
            }
        }
        Ok(options)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
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
    tokio::spawn(housekeeping::run(tenancy.clone()));
    let service = match options.behind_tls {
        true => service_behind_tls(tenancy),
        false => service(tenancy),
    };
    let service = service.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}
