use super::*;
use http::Request;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::Arc,
};
use tower::ServiceExt as _;

/// A server on a loopback port that answers one request: with TLS as `tls` has it, or without.
fn server(tls: Option<Arc<ServerConfig>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let mut buffer = [0; 4096];
        match tls {
            None => {
                let _ = tcp.read(&mut buffer);
                let _ = tcp.write_all(answer);
            }
            Some(config) => {
                let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), tcp);
                // A client that refuses the certificate ends here.
                if stream.read(&mut buffer).is_ok() {
                    let _ = stream.write_all(answer);
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
            }
        }
    });
    port
}

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    fn server_config(&self, name: &str) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        config(certificate.der().clone(), &key)
    }

    /// A client that trusts this authority alone.
    fn client(&self) -> Transport {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        over(HttpsConnectorBuilder::new().with_tls_config(config))
    }
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

async fn ask(transport: Transport, url: String) -> Result<u16, String> {
    let mut request = Request::new(Full::<Bytes>::default());
    *request.uri_mut() = url.parse().unwrap();
    match transport.oneshot(request).await {
        Ok(response) => Ok(response.status().as_u16()),
        Err(error) => Err(crate::message::chain(&error)),
    }
}

#[tokio::test]
async fn a_server_that_proves_its_name_is_asked() {
    let authority = Authority::new();
    let port = server(Some(authority.server_config("localhost")));
    assert_eq!(
        ask(authority.client(), format!("https://localhost:{port}/")).await,
        Ok(200)
    );
    let port = server(None);
    assert_eq!(
        ask(authority.client(), format!("http://127.0.0.1:{port}/")).await,
        Ok(200)
    );
}

#[tokio::test]
async fn a_server_that_does_not_is_refused() {
    let authority = Authority::new();
    // Another name.
    let port = server(Some(authority.server_config("other.example.com")));
    let refused = ask(authority.client(), format!("https://localhost:{port}/"))
        .await
        .unwrap_err();
    assert!(refused.contains("not valid for name"), "{refused}");
    // Another authority.
    let port = server(Some(Authority::new().server_config("localhost")));
    let refused = ask(authority.client(), format!("https://localhost:{port}/"))
        .await
        .unwrap_err();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    // No authority.
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let port = server(Some(config(own.der().clone(), &key)));
    let refused = ask(authority.client(), format!("https://localhost:{port}/"))
        .await
        .unwrap_err();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    // No TLS.
    let port = server(None);
    let refused = ask(authority.client(), format!("https://localhost:{port}/")).await;
    assert!(refused.is_err());
}

/// The transport of production knows none of these authorities.
#[tokio::test]
async fn the_roots_of_the_platform_are_not_ours() {
    let Ok(transport) = transport() else {
        return; // a machine without any is refused everything
    };
    let port = server(Some(Authority::new().server_config("localhost")));
    let refused = ask(transport, format!("https://localhost:{port}/"))
        .await
        .unwrap_err();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
}
