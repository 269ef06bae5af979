//! What the command line says.
use std::error::Error;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use diesel_tenants_axum::TrustedProxies;
use hospital_service::serving::GRACE;
use hospital_service::{PublicUrl, PublicUrlError};
use ipnet::IpNet;

/// Where to listen, where the data is, and what stands in front.
pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) data: PathBuf,
    /// What browsers call the service, if something stands in front.
    pub(crate) url: Option<PublicUrl>,
    /// Besides this very machine.
    proxies: Vec<IpNet>,
    forwarded: bool,
    /// How long what is under way is waited for when the service is to end.
    pub(crate) grace: Duration,
}

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            port: 8080,
            data: PathBuf::from("target/hospital-service"),
            url: None,
            proxies: Vec::new(),
            forwarded: false,
            grace: GRACE,
        };
        while let Some(option) = args.next() {
            match option.as_str() {
                "--forwarded" => options.forwarded = true,
                "--port" | "--data" | "--public-url" | "--trusted-proxy" | "--grace" => {
                    let value = args.next().ok_or(format!("{option} needs a value"))?;
                    options.set(&option, value)?;
                }
                _ => {
                    return Err(format!(
                        "no such option: {option}; --port, --data, --public-url, --trusted-proxy, --forwarded and --grace are"
                    ));
                }
            }
        }
        let is_alone = options.proxies.is_empty() && !options.forwarded;
        match is_alone || options.is_behind_tls() {
            true => Ok(options),
            false => Err("--trusted-proxy and --forwarded need --public-url https://…".to_owned()),
        }
    }

    fn is_behind_tls(&self) -> bool {
        self.url.as_ref().is_some_and(PublicUrl::is_https)
    }

    fn set(&mut self, option: &str, value: String) -> Result<(), String> {
        match option {
            "--port" => {
                let wrong = |_| format!("no port: {value}; 0 to 65535, 0 takes any");
                self.port = value.parse().map_err(wrong)?;
            }
            "--data" => self.data = PathBuf::from(value),
            "--public-url" => {
                let wrong = |error: PublicUrlError| match error.source() {
                    Some(why) => format!("--public-url {value}: {error}: {why}"),
                    None => format!("--public-url {value}: {error}"),
                };
                self.url = Some(value.parse().map_err(wrong)?);
            }
            "--grace" => {
                let wrong = |_| format!("no number of seconds: {value}; 0 to 65535 is");
                let seconds: u16 = value.parse().map_err(wrong)?;
                self.grace = Duration::from_secs(seconds.into());
            }
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

    /// The service listens on this machine alone, so that the last proxy is on it. Without TLS in front there is none.
    pub(crate) fn trusted(&self) -> TrustedProxies {
        if !self.is_behind_tls() {
            return TrustedProxies::default();
        }
        let proxies = TrustedProxies::LOOPBACK.into_iter();
        let proxies = proxies.chain(self.proxies.iter().copied());
        match self.forwarded {
            true => TrustedProxies::forwarded(proxies),
            false => TrustedProxies::x_forwarded_for(proxies),
        }
    }
}
