//! The OpenAPI document: it contains every route, and every answer matches it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{server::*, world::*};

const ROUTES: [(&str, &str); 32] = [
    ("get", "/"),
    ("get", "/healthz"),
    ("get", "/metrics"),
    ("get", "/moderation"),
    ("get", "/moderation/files/{file}"),
    ("get", "/moderation/log"),
    ("get", "/openapi.json"),
    ("get", "/page.css"),
    ("get", "/page.js"),
    ("get", "/readyz"),
    ("get", "/v1/badges/challenge"),
    ("get", "/v1/events"),
    ("get", "/v1/members/buckets/{number}"),
    ("get", "/v1/members/upper"),
    ("get", "/v1/moderation"),
    ("get", "/v1/moderation/events"),
    ("get", "/v1/moderation/{log}/appeals/{strike}"),
    ("get", "/v1/moderation/{log}/queue"),
    ("get", "/v1/moderation/{log}/queue/{nullifier}"),
    ("get", "/v1/moderation/{log}/{path}"),
    ("get", "/v1/policy"),
    ("get", "/v1/roots"),
    ("get", "/v1/slashed"),
    ("get", "/v1/summary"),
    ("post", "/v1/author"),
    ("post", "/v1/badges"),
    ("post", "/v1/moderation/{log}/answers"),
    ("post", "/v1/moderation/{log}/cosignatures"),
    ("post", "/v1/moderation/{log}/decisions"),
    ("post", "/v1/moderation/{log}/entries"),
    ("post", "/v1/report"),
    ("post", "/v1/verify"),
];

struct Document(Value);

impl Document {
    /// Checks that the document has the status and the body of an answer.
    fn check(&self, method: &str, path: &str, answer: &Answer) {
        let response = &self.0["paths"][path][method]["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{method} {path} has no answer {}: {answer:?}", answer.status);
        let Some(schema) = response["content"]["application/json"].get("schema") else { return };
        let mut schema = schema.clone();
        schema["components"] = self.0["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let body = answer.json();
        let errors: Vec<String> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{method} {path}: {errors:?} in {body:#}");
    }
}

#[test]
fn every_route_is_in_the_document_and_every_answer_fits() {
    let server = Server::start();
    let document = Document(server.get("/openapi.json").json());
    let paths = document.0["paths"].as_object().unwrap();
    let documented: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())))
        .collect();
    assert_eq!(documented, ROUTES.map(|(method, path)| (method.into(), path.into())).into());
    assert!(document.0["openapi"].as_str().unwrap().starts_with("3.1"));

    for path in ["/healthz", "/readyz", "/v1/policy", "/v1/roots", "/v1/slashed", "/v1/summary", "/openapi.json"] {
        document.check("get", path, &server.get(path));
    }
    let bucket = "/v1/members/buckets/{number}";
    for number in ["0", "9", "x"] {
        document.check("get", bucket, &server.get(&bucket.replace("{number}", number)));
    }
    document.check("get", "/v1/slashed", &server.get("/v1/slashed?from=-1"));

    let elsewhere = Sent { scope: "elsewhere".into(), ..HONEST[1].clone() };
    let unreadable = Sent { pass: vec![7; 246], ..HONEST[1].clone() };
    let posts = [HALVES[0].clone(), forged(), elsewhere, unreadable, HALVES[1].clone()];
    let one = server.post_json("/v1/verify", &HONEST[0].json());
    let posts: Vec<Value> = posts.iter().map(Sent::json).collect();
    let many = server.post_json("/v1/verify", &json!({ "posts": posts }));
    server.clock.set(NOW + 10_000);
    let late = server.post_json("/v1/verify", &HONEST[2].json());
    assert_eq!(late.json()["verdict"], "epoch_out_of_range");
    let wrong = server.post_json("/v1/verify", &json!({ "posts": 7 }));
    assert_eq!(wrong.status, 400);
    let untyped = server.ask("POST", "/v1/verify", &[], b"{}");
    for answer in [one, many, late, wrong, untyped] {
        document.check("post", "/v1/verify", &answer);
    }
    server.clock.set(NOW);
    let badge = |pass: String| server.post_json("/v1/badges", &json!({ "scope": SCOPE, "pass": pass }));
    for answer in [badge(prove_badge(3, b"key").to_text()), badge("?".into()), badge(prove_badge(3, b"b").to_text())] {
        document.check("post", "/v1/badges", &answer);
    }
    for query in ["?scope=room", "?scope=elsewhere", ""] {
        let challenge = server.get(&format!("/v1/badges/challenge{query}"));
        document.check("get", "/v1/badges/challenge", &challenge);
    }
    // With a slash and a reason not to be ready.
    while server.get("/v1/slashed").json()["total"] == 0 {
        std::thread::yield_now();
    }
    server.relay.reorganise_roots(1, []);
    for path in ["/readyz", "/v1/roots", "/v1/slashed", "/v1/summary"] {
        document.check("get", path, &server.get(path));
    }
}

#[test]
fn answers_about_moderation_fit_the_document() {
    let server = crate::moderation::start();
    let document = Document(server.get("/openapi.json").json());
    for (path, answer) in crate::moderation::answers(&server) {
        let method = if matches!(path, "/v1/report" | "/v1/author") { "post" } else { "get" };
        document.check(method, path, &answer);
    }
}

#[test]
fn the_requests_of_the_document_are_those_that_are_taken() {
    let server = Server::start();
    let document = server.get("/openapi.json").json();
    let mut schema =
        document["paths"]["/v1/verify"]["post"]["requestBody"]["content"]["application/json"]["schema"].clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let post = HONEST[0].json();
    let mut extra = post.clone();
    extra["stake"] = json!(1);
    let mut short = post.clone();
    short.as_object_mut().unwrap().remove("pass");
    for (body, is_taken) in [
        (post.clone(), true),
        (json!({ "posts": [post] }), true),
        (json!({ "posts": [] }), true),
        (extra, false),
        (short, false),
        (json!([]), false),
    ] {
        assert_eq!(validator.is_valid(&body), is_taken, "{body}");
        assert_eq!(server.post_json("/v1/verify", &body).status == 200, is_taken, "{body}");
    }
}
