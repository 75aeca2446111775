//! The leadership term at the moment of sending.
//!
//! Between the start of a call and its first byte lie credentials that are fetched, a connection that is made and a TLS
//! handshake: seconds, in which the process may be stopped for as long as it pleases the machine. So the term is not
//! checked before those but by the request's body, which the HTTP client takes in the very poll in which it writes to the
//! socket. AWS does not act on a request whose body is missing: the head announces its length.

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextMut},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use bytes::Bytes;
use executor::Fence;
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// The term was over, or too little of it left, when the request was about to be written: nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the leadership term is over")]
pub(crate) struct TermOver;

/// Puts the fence around the body of each request.
#[derive(Debug)]
pub(crate) struct Fenced(pub(crate) Fence);

impl Intercept for Fenced {
    fn name(&self) -> &'static str {
        "Fenced"
    }

    /// After signing: the signature covers the bytes, which stay the same.
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.request_mut().body_mut();
        // Every request of this crate is in memory; a streaming one would be a mistake in the SDK's use.
        let bytes = body.bytes().ok_or("the request streams")?;
        let bytes = Some(Bytes::copy_from_slice(bytes));
        let fence = self.0.clone();
        *body = SdkBody::from_body_1_x(FencedBody { fence, bytes });
        Ok(())
    }
}

/// A body that exists only inside of a term.
struct FencedBody {
    fence: Fence,
    bytes: Option<Bytes>,
}

impl Body for FencedBody {
    type Data = Bytes;
    type Error = TermOver;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TermOver>>> {
        let Some(bytes) = self.bytes.take() else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(if self.fence.permits() {
            Ok(Frame::data(bytes))
        } else {
            Err(TermOver)
        }))
    }

    /// Never before it was polled, not even when it is empty: the client would not ask.
    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
