//! L14: no credential, header value or blanked parameter is in the history, a message, an error or a log line.
//!
//! The core is never given a header's value, only whether there are headers; redirect targets and exceptions reach it
//! as faults without a text.

use longhaul_core::{FileVersion, PartRequest, Snapshot, identity};
use longhaul_state_tests::prove::prove;
use longhaul_state_tests::strategies::{EVERYTHING, any_secretive, any_setup, any_steps};
use longhaul_state_tests::world::World;
use proptest::prelude::*;

fn leak<'a>(text: &str, secrets: &'a [String]) -> Option<&'a String> {
    secrets.iter().find(|secret| text.contains(secret.as_str()))
}

#[test]
fn no_secret_of_a_url_is_in_the_history_a_snapshot_a_plan_or_a_refusal() {
    let lives = any_setup().prop_flat_map(|setup| {
        let spec = any_secretive(setup.resources);
        (Just(setup), spec, any_steps(EVERYTHING, 60))
    });
    prove(
        "regressions/l14.txt",
        &lives,
        &[
            "success",
            "failure Integrity",
            "failure NotFound",
            "a spec conflict",
            "a plan",
        ],
        |(setup, secretive, steps), coverage| {
            let spec = secretive.spec.validated();
            let spec = spec.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let mut world = World::asked_for(spec.into(), &setup, coverage);
            for step in &steps {
                world.step(step).map_err(TestCaseError::fail)?;
            }
            coverage.sometimes(!world.spoken.is_empty(), "a plan");
            let shown = Snapshot::of(&world.folded).map(|shown| shown.canonical_json());
            let state = format!("{:?}", world.folded);
            for text in world
                .log
                .iter()
                .chain(&world.spoken)
                .chain(&shown)
                .chain([&state])
            {
                prop_assert_eq!(leak(text, &secretive.secrets), None, "in {}", text);
            }
            Ok(())
        },
    );
}

#[test]
fn a_spec_that_is_refused_is_refused_without_its_secrets() {
    prove(
        "regressions/l14-refused.txt",
        &(any_secretive(2), 0_usize..5),
        &["refused"],
        |(secretive, wrong), coverage| {
            let mut spec = secretive.spec;
            let mut secrets = secretive.secrets;
            match wrong {
                0 => spec.resources[1] = spec.resources[0].clone(),
                1 => spec.resources[0].sha256 = Some("12".into()),
                2 => spec.resources[0].bytes = Some(u64::MAX),
                3 => spec.resources[0].url = format!("data:,{}", secrets[0]),
                _ => {
                    secrets.push("hunter2".into());
                    spec.resources[1].url = "https://me:hunter2@host/f".into();
                }
            }
            let error = spec.validated();
            prop_assert!(error.is_err());
            let error = error.expect_err("checked above");
            coverage.reached("refused");
            prop_assert_eq!(leak(&format!("{error} {error:?}"), &secrets), None);
            Ok(())
        },
    );
}

#[test]
fn a_part_names_the_same_file_however_often_its_url_is_signed() {
    prove(
        "regressions/l14-parts.txt",
        &any_secretive(1),
        &["signed anew"],
        |secretive, coverage| {
            let secret_params = &secretive.spec.secret_params;
            let url = &secretive.spec.resources[0].url;
            let signed_anew = secretive
                .secrets
                .iter()
                .fold(url.clone(), |url, secret| url.replace(secret, "other"));
            coverage.sometimes(signed_anew != *url, "signed anew");
            let named = identity(url, secret_params);
            prop_assert_eq!(&identity(&signed_anew, secret_params), &named);
            prop_assert_eq!(&identity(&named, secret_params), &named, "of itself");
            let base = url.split('#').next().unwrap_or_default();
            let other_file = format!("{base}&rev=other");
            prop_assert_ne!(&identity(&other_file, secret_params), &named);

            let file = FileVersion {
                url: named,
                size: Some(100),
                validator: None,
                part_bytes: Some(30),
                content_type: None,
                cross_origin: false,
            };
            let part = PartRequest { file, index: 2 };
            let asked = part.url(&signed_anew, secret_params);
            prop_assert_eq!(PartRequest::parse(&asked), Some(part));
            Ok(())
        },
    );
}
