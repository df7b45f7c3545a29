//! What holds in a world, whatever happens.

use super::{Phase, World};
use crate::resumption::{is_exact, look_and_plan};
use crate::scenario::ID;
use longhaul_core::{Download, Effect, Event, Observation, State};
use std::collections::BTreeSet;

impl World<'_> {
    /// L5: nothing is called available before the bytes are there and right.
    pub(super) fn justified(&self, event: &Event) -> Result<(), String> {
        let sizes = match event {
            Event::Success { sizes, .. } => sizes.clone(),
            // Where the attempt found them itself; a hit on what was available is a look's business.
            Event::CachedHit { files, .. } if !files.is_empty() => Vec::new(),
            _ => return Ok(()),
        };
        let observation = self.observation(self.owner);
        for (n, file) in self.folded.files.iter().enumerate() {
            let missing = observation.missing(&file.key(), file.layout());
            if !missing.is_empty() {
                return Err(format!("L5: {} without parts {missing:?}", event.name()));
            }
            let measured = file.layout().stored(observation.stored_under(&file.key()));
            if sizes.get(n).is_some_and(|size| *size != measured) {
                return Err(format!("L5: sizes {sizes:?}, but {measured} of {n} stored"));
            }
            let server = &self.servers[n];
            let versions = self.rest.get(&file.key()).into_iter().flatten();
            let versions: BTreeSet<u32> = versions.map(|(_, version)| *version).collect();
            if versions.len() > 1 && !server.spliced {
                return Err(format!("L5: {} of versions {versions:?}", event.name()));
            }
            let asked = self
                .folded
                .spec
                .as_ref()
                .and_then(|s| s.resources[n].sha256.clone());
            if asked.is_some_and(|asked| self.digest(&file.key()) != asked) {
                return Err(format!("L5: {} with a wrong hash", event.name()));
            }
        }
        Ok(())
    }

    /// What holds at every moment.
    pub(super) fn check(&self) -> Result<(), String> {
        // The whole fold costs as much as the history is long, so not after every step.
        if self.log.len().is_power_of_two() || self.log.len().is_multiple_of(64) {
            self.check_fold()?;
        }
        if self.folded.degraded {
            return Err("the machine's own history is degraded".into());
        }
        let phase = Phase::from(&self.folded.state);
        if phase != self.reference.phase {
            return Err(format!(
                "{phase:?}, where the table says {:?}",
                self.reference.phase
            ));
        }
        Ok(())
    }

    /// The history explains everything.
    ///
    /// # Errors
    /// That it does not.
    pub fn check_fold(&self) -> Result<(), String> {
        let texts = self.log.iter().map(String::as_str);
        if Download::fold(ID, texts) != self.folded {
            return Err("the history does not fold to the state".into());
        }
        Ok(())
    }

    /// L9: were everybody to die now, a page that opens would name exactly what is missing.
    ///
    /// # Errors
    /// That it would not.
    pub fn check_resumption(&self) -> Result<(), String> {
        for page in 0..2 {
            let mut observation = self.observation(page);
            observation.unstarted = None;
            observation.idle_ms = None;
            let mut view = self.folded.clone();
            let effects = look_and_plan(&mut view, &mut observation, self.now)?;
            for effect in &effects {
                self.coverage
                    .reached(&format!("resumed by {}", effect.id().kind));
            }
            let handled = effects.is_empty() && view.is_running();
            self.coverage
                .sometimes(handled, "a completion was waited for");
            is_exact(&view, &observation, &effects)?;
        }
        Ok(())
    }

    /// L11, where nothing goes wrong: nobody asked for a part a second time in one attempt.
    ///
    /// # Errors
    /// The part that was.
    pub fn check_thrift(&self) -> Result<(), String> {
        match self.asked_for.iter().find(|(_, times)| **times > 1) {
            Some((part, times)) => Err(format!("L11: {part:?} was asked for {times} times")),
            None => Ok(()),
        }
    }

    /// What a plan may hold, from what is stored alone.
    pub(super) fn check_plan(
        &self,
        effects: &[Effect],
        observation: &Observation,
    ) -> Result<(), String> {
        let mut ids: Vec<_> = effects.iter().map(Effect::id).collect();
        ids.sort();
        ids.dedup();
        if ids.len() != effects.len() {
            return Err(format!("two effects of one plan have one id: {effects:#?}"));
        }
        let download = &self.folded;
        let transferring = download.state.transfer().is_some();
        let missing: BTreeSet<(String, u32)> = download
            .files
            .iter()
            .flat_map(|file| {
                let missing = observation.missing(&file.key(), file.layout());
                missing.into_iter().map(|index| (file.key(), index))
            })
            .collect();
        for effect in effects {
            let right = match effect {
                Effect::Probe { attempt } => {
                    download.state == State::Requested && *attempt == download.attempt
                }
                Effect::StartJob { registration, .. } => {
                    transferring && observation.unstarted.as_ref() == Some(registration)
                }
                Effect::Fetch { part, .. } => {
                    transferring && missing.contains(&(part.file.key(), part.index))
                }
                Effect::Verify { .. } => transferring,
                Effect::Harvest { registration } => observation.knows_job(registration),
                Effect::AbortJob { registration } => {
                    let current = download
                        .state
                        .transfer()
                        .and_then(|t| t.registration.as_ref());
                    current != Some(registration) || missing.is_empty()
                }
                Effect::DeleteFiles { .. } => !download.is_running() && !download.is_available(),
                Effect::Discard { keys, .. } => {
                    !transferring && keys.iter().all(|key| download.mixed.contains(key))
                }
                Effect::Wait { until, .. } => until.is_none_or(|until| until > self.now),
            };
            if !right {
                return Err(format!(
                    "planned without licence: {effect:?} for {download:#?}"
                ));
            }
        }
        Ok(())
    }
}
