//! `/healthz`, `/readyz`, `/metrics`.

use axum::{
    Router, extract::State, http::StatusCode, http::header::CONTENT_TYPE, response::IntoResponse,
    routing::get,
};
use operator::{Health, Metrics};

/// The probes and the metrics.
pub(crate) fn router(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(text))
        .with_state((health, metrics))
}

async fn readyz(State((health, _)): State<(Health, Metrics)>) -> (StatusCode, String) {
    match health.ready() {
        Ok(text) => (StatusCode::OK, text),
        Err(text) => (StatusCode::SERVICE_UNAVAILABLE, text),
    }
}

async fn text(State((_, metrics)): State<(Health, Metrics)>) -> impl IntoResponse {
    (
        [(
            CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        metrics.text(),
    )
}
