//! The two wires of a process: to AWS and to the API server. The judge listens, and the process's thread can be cut
//! before or after each effect.

use crate::{
    judge::{Answer, Call, Judge, ProcessId},
    process::Thread,
    scenario::HOST,
};
use aws::inprocess::{LostAnswer, SharedHttpClient};
use bytes::Bytes;
use http_body_util::Full;
use kube::{Client, client::Body};
use kubesim::Kubesim;
use operator::Measuring;
use orgsim::{Lost, Orgsim};
use simulator::Answers;
use std::{future::pending, time::Duration};
use tower::{BoxError, Service as _, ServiceExt as _};

/// How long the API server may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(295);

/// The wire to AWS.
pub(crate) fn aws(judge: &Judge, id: ProcessId, thread: &Thread, organization: &Orgsim) -> SharedHttpClient {
    let (judge, thread, organization) = (judge.clone(), thread.clone(), organization.clone());
    aws::inprocess::http_client(move |request| {
        let (judge, thread, organization) = (judge.clone(), thread.clone(), organization.clone());
        async move {
            let (n, dead) = thread.aws_begins();
            if dead {
                pending::<()>().await;
            }
            let call = Call::read(&request);
            judge.sending(id, &call);
            let mut waiting = Waiting {
                judge: &judge,
                id,
                call: &call,
                answered: false,
            };
            let answer = organization.handle(request).await;
            waiting.answered = true;
            judge.answered(id, &call, &Answer::read(answer.as_ref().ok()));
            if thread.aws_effected(n) {
                pending::<()>().await;
            }
            answer.map_err(|lost| match lost {
                Lost::Refused => LostAnswer::Refused,
                Lost::Broken => LostAnswer::Broken,
            })
        }
    })
}

/// A call that waits for its answer. Dropped before, its caller has given up: by its own time limit, or by dying.
struct Waiting<'a> {
    judge: &'a Judge,
    id: ProcessId,
    call: &'a Call,
    answered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.judge.answered(self.id, self.call, &Answer::Lost);
        }
    }
}

/// The wire to the API server.
pub(crate) fn kubernetes(judge: &Judge, id: ProcessId, thread: &Thread, cluster: &Kubesim) -> Client {
    let (judge, thread) = (judge.clone(), thread.clone());
    let service = cluster.service_named(&format!("operator-{id}"));
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (judge, thread, service) = (judge.clone(), thread.clone(), service.clone());
        async move {
            let (n, dead) = thread.kubernetes_begins();
            if dead {
                pending::<()>().await;
            }
            judge.requested();
            // As the operator's own client does it in production: `read_timeout`.
            let answer = tokio::time::timeout(READ_TIMEOUT, service.oneshot(request)).await;
            if thread.kubernetes_effected(n) {
                pending::<()>().await;
            }
            answer.map_err(BoxError::from)?.map_err(BoxError::from)
        }
    });
    Client::new(service, "default")
}

/// What measures gates: their requests are answered as people have said.
pub(crate) fn gates(judge: &Judge, answers: &Answers, client: Client) -> Measuring {
    let (judge, answers) = (judge.clone(), answers.clone());
    let transport = tower::service_fn(move |request: http::Request<Full<Bytes>>| {
        judge.asked(request.uri());
        answers.clone().call(request)
    });
    let settings = gates::Settings {
        allowed_hosts: vec![HOST.to_owned()],
        prometheus_address: None,
        namespace: "default".to_owned(),
        service_account: "bulkhead".to_owned(),
    };
    operator::measuring(gates::Runner::new(transport, client, settings))
}
