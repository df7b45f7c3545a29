//! The list of models, hashes, and the table of faults.

use longhaul_demo::{DEFAULT_MODEL, Folders, Generated, Server, table};
use sha2::{Digest, Sha256};

use crate::wire::get;
use crate::{server, small};

fn models(server: &Server) -> Vec<serde_json::Value> {
    let list = get(&server.origin(), "/api/models", &[]).json();
    list.as_array().expect("a list").clone()
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A server whose folder of models is an empty one.
fn without_model() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let folders = Folders {
        models: folder.path().to_owned(),
        ..Folders::of_checkout(folder.path())
    };
    let server = Server::builder()
        .folders(folders)
        .spawn()
        .expect("free ports");
    (folder, server)
}

#[test]
fn without_the_default_model_generated_data_is_offered_and_says_so() {
    let (folder, server) = without_model();
    // A file of that name but of another content is not the model.
    std::fs::write(folder.path().join(DEFAULT_MODEL.file), "no model").expect("written");
    let first = &models(&server)[0];
    assert_eq!(first["chat"], false);
    assert!(
        first["title"]
            .as_str()
            .is_some_and(|title| title.contains("Generated data"))
    );
    assert_eq!(first["bytes"], 100_000_000);
    assert_eq!(
        first["sha256"],
        Generated::new(100_000_000, "no-model").sha256()
    );
}

#[test]
fn a_model_file_that_was_named_is_offered_with_its_hash() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mine.gguf");
    std::fs::write(&file, "a model").expect("written");
    let server = Server::builder()
        .model(Some(file))
        .spawn()
        .expect("free ports");
    let first = &models(&server)[0];
    assert_eq!(first["chat"], true);
    // As hubs do it: at another origin, which redirects to a third.
    let hub = format!("{}/models/mine.gguf?redirect=third", server.second_origin());
    assert_eq!(first["url"], hub);
    assert_eq!(first["bytes"], 7);
    assert_eq!(first["sha256"], hash(b"a model"));
    assert_eq!(
        get(&server.origin(), "/models/mine.gguf", &[]).text(),
        "a model"
    );
}

#[test]
fn every_resource_on_offer_is_there_with_its_size() {
    let (_folder, server) = without_model();
    let models = models(&server);
    let mut ids: Vec<_> = models.iter().map(|model| model["id"].to_string()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    for resource in models
        .iter()
        .flat_map(|model| model["resources"].as_array().expect("a list"))
    {
        let url = resource["url"].as_str().expect("an address");
        let (origin, target) = match url.strip_prefix(&server.second_origin()) {
            // Where it redirects to.
            Some(target) => (
                server.third_origin(),
                target.split('?').next().expect("a path"),
            ),
            None => (server.origin(), url),
        };
        let answer = get(&origin, target, &[("range", "bytes=0-0")]);
        let range = format!("bytes 0-0/{}", resource["bytes"]);
        assert_eq!(
            answer.header("content-range"),
            Some(range.as_str()),
            "{url}"
        );
    }
    let shards = models[1]["resources"].as_array().expect("a list");
    assert_eq!(shards.len(), 3);
    assert_eq!(shards[0]["url"], models[1]["url"]);
}

#[test]
fn the_hash_of_any_file_can_be_asked_for() {
    let server = server();
    let file = small();
    let target = format!("/api/sha256?url={}%3Frate%3D5", file.path());
    let answer = get(&server.origin(), &target, &[]).json();
    assert_eq!(answer["sha256"], hash(&file.slice(0..file.bytes)));
    assert_eq!(answer["sha256"], file.sha256());
    assert_eq!(answer["bytes"], 40_000);
    for missing in ["/models/missing", "/blank.html", "/models/../Cargo.toml"] {
        let target = format!("/api/sha256?url={missing}");
        assert_eq!(get(&server.origin(), &target, &[]).status, 404, "{missing}");
    }
}

#[test]
fn the_table_of_faults_is_served() {
    let server = server();
    let rows = get(&server.origin(), "/api/faults", &[]).json();
    let rows = rows.as_array().expect("a list");
    assert_eq!(rows.len(), table().len());
    assert_eq!(rows[0]["parameter"], "rate");
    assert_eq!(rows[0]["value"], "bytes per second");
}
