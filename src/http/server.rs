//! Listening, and stopping in good order.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use super::{AppState, authentication, health};
use crate::store::{StoreResult, tokens};

const REQUEST_SECONDS_MAX: u64 = 60;

/// Nothing is loaded from elsewhere and nothing frames the pages.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The whole application: `authenticated` needs an actor; health does not, nor does what is `signed`.
pub fn application(authenticated: Router<AppState>, signed: Router<AppState>, state: AppState) -> Router {
    let with_header = |name, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    let authenticated = authenticated.route("/metrics", get(health::metrics));
    Router::new()
        .merge(authenticated.layer(middleware::from_fn_with_state(
            state.clone(),
            authentication::authenticate,
        )))
        .merge(signed)
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .layer(middleware::from_fn(measure))
        .layer(with_header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .layer(with_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(with_header(header::REFERRER_POLICY, "same-origin"))
        .layer(with_header(header::CACHE_CONTROL, "no-store"))
        .layer(CompressionLayer::new())
        .layer(TimeoutLayer::with_status_code(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            Duration::from_secs(REQUEST_SECONDS_MAX),
        ))
        .layer(CatchPanicLayer::new())
        .with_state(state)
}

async fn measure(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let started = Instant::now();
    let response = next.run(request).await;
    let labels = [("route", route), ("status", response.status().as_u16().to_string())];
    metrics::counter!("anbun_http_requests_total", &labels).increment(1);
    metrics::histogram!("anbun_http_request_seconds", &labels).record(started.elapsed().as_secs_f64());
    response
}

/// Refuses to serve the books to a network before anybody needs a token.
pub async fn check_exposure(state: &AppState, address: SocketAddr) -> anyhow::Result<()> {
    let tokens: StoreResult<i64> =
        async { tokens::count_tokens(&mut *state.database.pool.acquire().await?).await }.await;
    anyhow::ensure!(
        address.ip().is_loopback() || tokens? > 0,
        "{address} is not loopback and there is no token, so anybody on the network could read the books; make one first with 'anbun token create NAME --role finance'"
    );
    Ok(())
}

/// Connections that are still open so long after a stop was asked for are cut.
const STOP_WITHIN: Duration = Duration::from_secs(7);

/// Serves until the process is asked to stop; `stopping` is called as soon as it is.
pub async fn serve(router: Router, address: SocketAddr, stopping: impl Fn() + Send + 'static) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another with --listen"))?;
    let address = listener.local_addr()?;
    eprintln!("anbun serves http://{address}/");
    let (cut, asked) = tokio::sync::oneshot::channel();
    let stop = async move {
        asked_to_stop().await;
        stopping();
        let _ = cut.send(());
    };
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop);
    tokio::select! {
        served = serving => served.context("the server ended"),
        () = async { drop(asked.await); tokio::time::sleep(STOP_WITHIN).await } => Ok(()),
    }
}

async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = interrupt => {}
                    _ = terminate.recv() => {}
                }
            }
            Err(_) => drop(interrupt.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}
