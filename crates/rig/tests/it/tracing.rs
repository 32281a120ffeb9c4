//! Traces, as a collector gets them from real processes.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind},
};
use prost::Message;
use rig::{Gateway, Server, ServerOptions};
use serde_json::json;

use crate::{Folder, PASSWORD};

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Takes what is sent to it, as a collector would.
struct Collector {
    address: SocketAddr,
    /// Who sent it, and what.
    spans: Arc<Mutex<Vec<(String, Span)>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let spans = Arc::<Mutex<Vec<(String, Span)>>>::default();
        let taken = spans.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let taken = taken.clone();
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while let Some(body) = body(&mut reader) {
                        let request = ExportTraceServiceRequest::decode(&*body).expect("it is OTLP");
                        taken.lock().unwrap_or_else(PoisonError::into_inner).extend(read(request));
                        let done = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                        if reader.get_mut().write_all(done).is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { address, spans }
    }

    fn settings(&self, more: &str) -> String {
        format!("[traces]\nendpoint = \"http://{}/v1/traces\"\n{more}\n", self.address)
    }

    /// Waits until spans of all these names have come, and says them all.
    async fn with(&self, names: &[&str]) -> Vec<(String, Span)> {
        for _ in 0..600 {
            let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if names.iter().all(|name| spans.iter().any(|(_, span)| span.name == *name)) {
                return spans;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{names:?} never came: {:?}", self.spans.lock());
    }
}

/// The body of the next request on a connection.
fn body(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn read(request: ExportTraceServiceRequest) -> Vec<(String, Span)> {
    let of = |spans: opentelemetry_proto::tonic::trace::v1::ResourceSpans| {
        let about = spans.resource.unwrap_or_default().attributes;
        let name = about.into_iter().find(|attribute| attribute.key == "service.name");
        let service = name.and_then(|name| name.value?.value);
        let service = match service {
            Some(Value::StringValue(text)) => text,
            other => panic!("a service has a name: {other:?}"),
        };
        spans.scope_spans.into_iter().flat_map(|scope| scope.spans).map(move |span| (service.clone(), span))
    };
    request.resource_spans.into_iter().flat_map(of).collect()
}

fn says(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    let value = found.and_then(|attribute| attribute.value.as_ref()?.value.clone());
    value.map(|value| format!("{value:?}")).unwrap_or_default()
}

/// The trace that [`CALLER`] asks for.
fn asked_for() -> Vec<u8> {
    (0..16).map(|at| u8::from_str_radix(&CALLER[3 + at * 2..5 + at * 2], 16).expect("hex")).collect()
}

#[tokio::test]
async fn a_trace_goes_from_the_caller_through_the_gateway_to_the_command() {
    let (folder, collector) = (Folder::new(), Collector::start());
    let settings = collector.settings("sampled-permille = 0");
    let server = Server::start_with(&folder.data(), &ServerOptions { settings, ..ServerOptions::default() })
        .expect("it starts");
    let gateway = Gateway::start(&format!(
        "{}[pools.a]\nupstreams = [{{ address = \"{}\" }}]\nhealth = {{ active = false }}\n\
         [[routes]]\nname = \"town\"\npools = {{ a = 1 }}\n",
        collector.settings("sampled-permille = 0"),
        server.public
    ))
    .expect("it starts");
    // Nobody asked for a trace of this.
    gateway.client().register("ada", PASSWORD).await.expect("ada is new");
    let traced = gateway.client().with_field("traceparent", CALLER);
    traced.register("grace", PASSWORD).await.expect("grace is new");

    let spans = collector.with(&["POST town", "POST /api/v1/persons", "command"]).await;
    assert!(spans.iter().all(|(_, span)| span.trace_id == asked_for()), "{spans:?}");
    let one = |name: &str| {
        let found: Vec<_> = spans.iter().filter(|(_, span)| span.name == name).collect();
        assert_eq!(found.len(), 1, "{name}: {spans:?}");
        found[0].clone()
    };
    let (gateway_name, passed) = one("POST town");
    let (server_name, request) = one("POST /api/v1/persons");
    let (_, command) = one("command");
    assert_eq!((&*gateway_name, &*server_name), ("holdfast-gateway", "holdfast-serve"));
    assert_eq!(request.parent_span_id, passed.span_id, "the server does a part of what the gateway does");
    assert_eq!(command.parent_span_id, request.span_id);
    assert_eq!(says(&request, "http.response.status_code"), "IntValue(201)");
    assert_eq!(says(&command, "holdfast.ledger"), "StringValue(\"identity\")");
    // What is personal is in none of them.
    let all = format!("{spans:?}");
    assert!(!all.contains("grace") && !all.contains("kelp"), "{all}");
}

#[tokio::test]
async fn the_trace_of_a_job_points_to_the_command_that_asked_for_it() {
    let (folder, collector) = (Folder::new(), Collector::start());
    let settings = collector.settings("sampled-permille = 0");
    let server = Server::start_with(&folder.data(), &ServerOptions { settings, ..ServerOptions::default() })
        .expect("it starts");
    let client = server.client();
    client.register("ada", PASSWORD).await.expect("ada is new");
    let ada = client.sign_in("ada", PASSWORD).await.expect("ada signs in");
    let person = ada.person.clone().expect("who signed in is somebody");
    let traced = ada.with_field("traceparent", CALLER);
    let erased = traced.delete_with(&format!("/api/v1/persons/{person}"), &json!({"proof": PASSWORD})).await;
    assert!(matches!(erased.expect("an answer").status, 200 | 202 | 204));

    let spans = collector.with(&["job identity/finish-erasure"]).await;
    let job = spans.iter().map(|(_, span)| span).find(|span| span.name.starts_with("job ")).expect("it came");
    let (link, more) = job.links.split_first().expect("it has a cause");
    assert!(more.is_empty(), "{job:?}");
    let commands: Vec<_> = spans.iter().map(|(_, span)| span).filter(|span| span.name == "command").collect();
    let cause =
        commands.iter().find(|command| command.span_id == link.span_id).expect("the cause is a command");
    assert_eq!((&link.trace_id, &cause.trace_id), (&asked_for(), &asked_for()));
    assert_eq!(says(cause, "holdfast.command"), "StringValue(\"identity/begin-erasure\")");
    assert_ne!(job.trace_id, asked_for(), "it has a trace of its own");
    assert!(job.parent_span_id.is_empty(), "{job:?}");
    assert_eq!(job.kind(), SpanKind::Consumer);
    assert_eq!(says(job, "messaging.destination.name"), "StringValue(\"erasures\")");
    server.stop().expect("it stops");
}

#[tokio::test]
async fn a_share_of_requests_is_traced_without_anybody_asking() {
    let (folder, collector) = (Folder::new(), Collector::start());
    let settings = collector.settings("sampled-permille = 1000\nfollows-callers = false");
    let server = Server::start_with(&folder.data(), &ServerOptions { settings, ..ServerOptions::default() })
        .expect("it starts");
    server.client().with_field("traceparent", CALLER).get("/ready").await.expect("an answer");
    let refused = server.client().get("/nowhere").await.expect("an answer");
    assert_eq!(refused.status, 404);
    let spans = collector.with(&["GET /ready", "GET unmatched"]).await;
    let of = |name: &str| spans.iter().find(|(_, span)| span.name == name).map(|(_, span)| span.clone());
    let (ready, nowhere) = (of("GET /ready").expect("it came"), of("GET unmatched").expect("it came"));
    assert!(ready.parent_span_id.is_empty(), "strangers decide nothing here");
    assert_eq!(says(&nowhere, "error.type"), "StringValue(\"edge/no-such-route\")");
    server.stop().expect("it stops");
}
