//! What goes wrong with what a hub answers: storms of a model whose hubs fail, and lost answers to an activation.

use super::schedule::{Strikes, Windows};
use super::{FaultCounts, FaultKind};
use crate::random::{Purpose, Share, Stream};
use crate::world::FaultSpec;
use transfer_engine::{HubId, Moment};
use wire::{Apdu, ClassId, WPort, WRAPPER_LEN, WanFrame};

/// The longest payload of a UDP datagram over IPv4.
const LONGEST_DATAGRAM: usize = 65_507;

/// image_activate (IEC 62056-6-2, class 18).
const ACTIVATE: u8 = 4;

/// The faults of one hub's answers.
#[derive(Clone, Debug)]
pub(crate) struct ReplyFaults {
    lost_activations: Option<Strikes>,
    /// Open for all hubs of the model at once.
    storm: Option<Windows>,
    factor: usize,
    counts: FaultCounts,
}

impl ReplyFaults {
    /// Makes the faults of one hub, which is of the model that storms or is not; `None` when it has none of these.
    pub(crate) fn open(
        spec: &FaultSpec,
        seed: u64,
        start: Moment,
        hub: HubId,
        storms: bool,
    ) -> Option<Box<ReplyFaults>> {
        let own = |purpose| move || Stream::open(seed, hub.0.into(), purpose);
        let of_model = || Stream::open(seed, 0, Purpose::Storm);
        let storm =
            storms.then(|| Windows::open(start, spec.storms_per_day, spec.storm_s, of_model)).flatten();
        let lost = spec.activation_answers_lost_per_answer;
        let lost_activations = Strikes::open(lost, own(Purpose::ActivationAnswer));
        let any = storm.is_some() || lost > Share::NONE;
        let factor = usize::from(spec.storm_length_factor);
        let counts = FaultCounts::default();
        any.then(|| Box::new(ReplyFaults { lost_activations, storm, factor, counts }))
    }

    /// Lets what a hub answers to `request` become what leaves it; an empty answer does not leave it.
    pub(crate) fn tamper(&mut self, now: Moment, request: &[u8], reply: &mut Vec<u8>) {
        if reply.is_empty() {
            return;
        }
        if let Some(strikes) = &mut self.lost_activations
            && is_activation(request)
            && strikes.strikes()
        {
            reply.clear();
            self.counts.count(FaultKind::LostActivationAnswer, 1);
            return;
        }
        if self.storm.as_mut().is_some_and(|windows| windows.contains(now)) {
            self.counts.count(FaultKind::Storm, 1);
            let len = reply.len().saturating_mul(self.factor).min(LONGEST_DATAGRAM);
            reply.clear();
            // One error after another in one frame that keeps the framing, so that a stream survives it.
            let errors: Vec<u8> = [0xD8, 1, 1].into_iter().cycle().take(len - WRAPPER_LEN.min(len)).collect();
            let (source, destination) = (WPort::MANAGEMENT, WPort::PUBLIC_CLIENT);
            WanFrame { source, destination, apdu: &errors }.emit(reply);
        }
    }

    /// Returns what struck so far.
    pub(crate) fn counts(&self) -> &FaultCounts {
        &self.counts
    }

    /// Ends all of these faults; what struck stays counted.
    pub(crate) fn calm(&mut self) {
        self.lost_activations = None;
        self.storm = None;
    }
}

fn is_activation(request: &[u8]) -> bool {
    let apdu = WanFrame::parse_datagram(request).ok().and_then(|frame| Apdu::parse(frame.apdu).ok());
    match apdu {
        Some(Apdu::ActionRequest(action)) => {
            action.method.class == ClassId::IMAGE_TRANSFER && action.method.index == ACTIVATE
        }
        _ => false,
    }
}
