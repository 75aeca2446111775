//! The way to the network in production.

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, builderstates::WantsSchemes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::crypto::aws_lc_rs;
use std::io;

/// Why there is no way to the network.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The machine has no certificates of authorities. Whoever builds the image adds them, or sets `SSL_CERT_FILE`.
    #[error("no certificates of authorities to verify servers with")]
    NoRoots(#[source] io::Error),
}

/// HTTP/1.1 over TCP, and TLS that is always verified. No proxy, whatever the environment says: what a gate may ask is
/// decided by host.
pub type Transport = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The transport that trusts the authorities of the platform; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
pub fn transport() -> Result<Transport, TransportError> {
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(aws_lc_rs::default_provider())
        .map_err(TransportError::NoRoots)?;
    Ok(over(tls))
}

fn over(tls: HttpsConnectorBuilder<WantsSchemes>) -> Transport {
    // Gates ask seldom: a connection kept until the next time would be found closed.
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build(tls.https_or_http().enable_http1().build())
}

#[cfg(test)]
mod tests;
