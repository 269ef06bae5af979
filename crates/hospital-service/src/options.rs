//! What the command line says.
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use diesel_tenants_axum::TrustedProxies;
use hospital_service::serving::GRACE;
use ipnet::IpNet;

/// Where to listen, where the data is, and what stands in front.
pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) data: PathBuf,
    pub(crate) behind_tls: bool,
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
            behind_tls: false,
            proxies: Vec::new(),
            forwarded: false,
            grace: GRACE,
        };
        while let Some(option) = args.next() {
            match option.as_str() {
                "--behind-tls" => options.behind_tls = true,
                "--forwarded" => options.forwarded = true,
                "--port" | "--data" | "--trusted-proxy" | "--grace" => {
                    let value = args.next().ok_or(format!("{option} needs a value"))?;
                    options.set(&option, value)?;
                }
                _ => {
                    return Err(format!(
                        "no such option: {option}; --port, --data, --behind-tls, --trusted-proxy, --forwarded and --grace are"
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

    /// The service listens on this machine alone, so that the last proxy is on it.
    pub(crate) fn trusted(&self) -> TrustedProxies {
        let proxies = TrustedProxies::LOOPBACK.into_iter();
        let proxies = proxies.chain(self.proxies.iter().copied());
        match self.forwarded {
            true => TrustedProxies::forwarded(proxies),
            false => TrustedProxies::x_forwarded_for(proxies),
        }
    }
}
