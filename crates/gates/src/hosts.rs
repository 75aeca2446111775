//! Which hosts gates may ask: the operator's configuration decides, before a name is looked up. The rule is the one that a
//! promotion is accepted by ([`promotion::judge_host`]): what is accepted is asked.

pub use promotion::check_allowed_host;
pub(crate) use promotion::{HostRefusal as Refusal, judge_uri as permits};

/// Checks that gates may ask this URL, as [`Settings::allowed_hosts`](crate::Settings::allowed_hosts) says. The same check
/// is made before every request. `Err` says why not.
pub fn check_url(url: &str, allowed: &[String]) -> Result<(), String> {
    promotion::judge_host(url, allowed).map_err(|refusal| refusal.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Vec<String> {
        [
            "prometheus.example.com",
            "Metrics.monitoring.svc:9090",
            "*.checks.example.com",
            "*.internal:8443",
            "[::1]:9090",
            "*",
            "*.",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    #[test]
    fn what_is_named_is_allowed() {
        for url in [
            "https://prometheus.example.com",
            "https://PROMETHEUS.example.com/path?query",
            "http://prometheus.example.com/",
            "https://prometheus.example.com:443/",
            "http://metrics.monitoring.svc:9090/",
            "https://metrics.monitoring.svc:9090/",
            "https://a.checks.example.com/",
            "https://a.b.checks.example.com/",
            "https://x.internal:8443/",
            "http://[::1]:9090/",
        ] {
            assert_eq!(check_url(url, &allowed()), Ok(()), "{url}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for url in [
            "https://prometheus.example.com:8443/",
            "https://prometheus.example.com/path#fragment",
            "http://prometheus.example.com:443/",
            "https://prometheus.example.com./",
            "https://prometheus.example.com.evil.com/",
            "https://evil-prometheus.example.com/",
            "https://checks.example.com/",
            "https://evilchecks.example.com/",
            "https://.checks.example.com/",
            "http://metrics.monitoring.svc/",
            "https://x.internal/",
            "http://[::1]/",
            "http://[::2]:9090/",
            "http://169.254.169.254/",
            "https://prometheus.example.com:/",
            "https://prometheus.example.com:99999/",
            "https://prometheus.example.com@evil.com/",
            "https://user:password@prometheus.example.com/",
            "https://evil.com\\@prometheus.example.com/",
            "ftp://prometheus.example.com/",
            "file:///etc/passwd",
            "prometheus.example.com",
            "//prometheus.example.com/",
            "https:///path",
            "",
        ] {
            assert!(check_url(url, &allowed()).is_err(), "{url}");
        }
        assert!(check_url("https://prometheus.example.com", &[]).is_err());
    }

    #[test]
    fn refusals_say_what_to_do() {
        assert_eq!(
            check_url("https://prometheus.example.com:8443/", &allowed()),
            Err(
                "prometheus.example.com:8443 is not among `gates.allowedHosts` of the operator's configuration"
                    .to_owned()
            )
        );
        let refused = check_url("https://a:b@prometheus.example.com/", &allowed()).unwrap_err();
        assert!(
            refused.contains("headersSecret") && !refused.contains("a:b"),
            "{refused}"
        );
    }

    #[test]
    fn entries_are_checked() {
        for entry in [
            "a",
            "a.example.com",
            "a.example.com:9090",
            "*.example.com",
            "*.example.com:1",
            "[::1]",
            "[::1]:9090",
        ] {
            assert_eq!(check_allowed_host(entry), Ok(()), "{entry}");
        }
        for entry in [
            "",
            "*",
            "*.",
            "*.*.com",
            "https://a.example.com",
            "a.example.com/",
            "a:b",
            "a:",
            "a:99999",
            "::1",
            "a b",
            ".example.com",
        ] {
            assert!(check_allowed_host(entry).is_err(), "{entry}");
        }
    }
}
