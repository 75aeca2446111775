//! Whom gates may ask. The operator stands inside the network: whoever may write a gate must not reach everything it can.
//!
//! The one rule: it is asked when a promotion is accepted, and again before every request.

use http::Uri;

/// Why a URL is not asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostRefusal {
    /// Whoever wrote the gate corrects it.
    #[error("the URL is not one of http or https with a host and without a fragment")]
    NotHttp,
    /// Whoever wrote the gate moves them to a Secret.
    #[error("the URL holds credentials; headers belong in a Secret that `headersSecret` names")]
    Credentials,
    /// Whoever runs the operator decides. The host, with its port unless that is the scheme's own.
    #[error("{0} is not among `gates.allowedHosts` of the operator's configuration")]
    NotAllowed(String),
}

/// Is this an address that a gate may ask? http or https, with a host and a port that one of `allowed` names: `host`,
/// `host:port`, `*.domain` (every host below it, not the domain itself) or `*.domain:port`. An entry without a port is about
/// the scheme's own, 80 or 443. Whoever follows a redirect has to ask again.
pub fn judge_host(url: &str, allowed: &[String]) -> Result<(), HostRefusal> {
    // `Uri` drops a fragment without a word.
    if url.contains('#') {
        return Err(HostRefusal::NotHttp);
    }
    judge_uri(&url.parse().map_err(|_| HostRefusal::NotHttp)?, allowed)
}

/// [`judge_host`] of a URL that has been read.
pub fn judge_uri(uri: &Uri, allowed: &[String]) -> Result<(), HostRefusal> {
    let default_port = match uri.scheme_str() {
        Some("https") => 443,
        Some("http") => 80,
        _ => return Err(HostRefusal::NotHttp),
    };
    let authority = uri.authority().ok_or(HostRefusal::NotHttp)?;
    if authority.as_str().contains('@') {
        return Err(HostRefusal::Credentials);
    }
    let host = authority.host().to_ascii_lowercase();
    if host.is_empty() {
        return Err(HostRefusal::NotHttp);
    }
    // `host:` and `host:99999` parse as having no port.
    let port = match split(authority.as_str()).1 {
        None => default_port,
        Some(text) => text.parse().map_err(|_| HostRefusal::NotHttp)?,
    };
    if allowed
        .iter()
        .any(|entry| matches(&entry.to_ascii_lowercase(), &host, port, default_port))
    {
        return Ok(());
    }
    Err(HostRefusal::NotAllowed(if port == default_port {
        host
    } else {
        format!("{host}:{port}")
    }))
}

/// Checks an entry of `gates.allowedHosts`: `host`, `host:port`, `*.domain` or `*.domain:port`. An entry without a port is
/// about the port of the scheme, 443 or 80. `Err` says what is wrong.
pub fn check_allowed_host(entry: &str) -> Result<(), String> {
    let (host, port) = split(entry);
    let name = host.strip_prefix("*.").unwrap_or(host);
    let bracketed = name.starts_with('[') && name.ends_with(']');
    let letters = |letter: char| {
        letter.is_ascii_alphanumeric()
            || matches!(letter, '.' | '-' | '_')
            || (bracketed && ":[]".contains(letter))
    };
    if name.is_empty() || !name.chars().all(letters) || name.starts_with('.') {
        return Err(format!(
            "{entry:?} is none of `host`, `host:port`, `*.domain`, `*.domain:port`"
        ));
    }
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(format!("{entry:?} has no valid port"));
    }
    Ok(())
}

/// The rule that is broken; its subject is the path of the URL.
pub(super) fn rule(refusal: &HostRefusal, allowed: &[String]) -> String {
    match refusal {
        HostRefusal::NotHttp | HostRefusal::Credentials => {
            "is an address `http://host/path` or `https://host/path` without a user or a fragment".to_owned()
        }
        HostRefusal::NotAllowed(_) if allowed.is_empty() => {
            "has a host that `gates.allowedHosts` of the operator's configuration names, and it names none"
                .to_owned()
        }
        HostRefusal::NotAllowed(host) if host.contains(':') && !host.ends_with(']') => format!(
            "has a host that `gates.allowedHosts` of the operator's configuration names, with its port unless it is 80 for \
             http or 443 for https; {host} is not there"
        ),
        HostRefusal::NotAllowed(_) => {
            "has a host that `gates.allowedHosts` of the operator's configuration names".to_owned()
        }
    }
}

fn matches(entry: &str, host: &str, port: u16, default_port: u16) -> bool {
    let (name, entry_port) = split(entry);
    let same_port = match entry_port {
        None => port == default_port,
        Some(text) => text.parse() == Ok(port),
    };
    same_port
        && match name.strip_prefix("*.") {
            None => name == host,
            Some(domain) => {
                !domain.is_empty()
                    && host
                        .strip_suffix(domain)
                        .and_then(|rest| rest.strip_suffix('.'))
                        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('.'))
            }
        }
}

/// Host and port; an IPv6 address stands in brackets.
fn split(text: &str) -> (&str, Option<&str>) {
    let from = text.rfind(']').unwrap_or(0);
    match text[from..].find(':') {
        Some(at) => (&text[..from + at], Some(&text[from + at + 1..])),
        None => (text, None),
    }
}
