//! What must hold of a campaign's counts whatever comes in its ledger.

use proptest::prelude::*;

use super::*;
use crate::policy::CampaignPolicy;
use crate::record::{DeliveredRecord, ForwardRecord, InstructedRecord};

const DEVICES: u8 = 12;
const WAVES: u16 = 3;

fn eui(number: u8) -> Eui64 {
    Eui64::from_bytes([0, 0, 0, 0, 0, 0, 0, number])
}

fn verdict(number: u8) -> Record {
    let verdict = Judgement::refusal("-", "a device");
    Record::Verdict(PlanRecord {
        device: eui(number),
        kind: "ESME".to_owned(),
        installation: "HOME-1".to_owned(),
        hub: None,
        channel: 1,
        verdict,
        image: None,
        wave: (!number.is_multiple_of(4)).then(|| u16::from(number % 4) - 1),
        priority: 0,
    })
}

fn state() -> CampaignState {
    let (party, smso) = ("DCC".to_owned(), "SMSO-1".to_owned());
    let policy = CampaignPolicy::default();
    let devices = DEVICES.into();
    let order = OrderRecord { instructing_party: party, smso, targets: Vec::new(), policy, devices };
    let mut state = CampaignState::new("one".parse().expect("a name"), Moment::default(), order);
    for number in 0..DEVICES {
        state.apply(Moment::default(), &verdict(number)).expect("the first");
    }
    state
}

/// A record about some device, whether or not its life cycle allows it now.
fn any_record() -> impl Strategy<Value = Record> {
    let ends = (0..DEVICES, proptest::sample::select(Outcome::ALL.to_vec())).prop_map(|(number, outcome)| {
        let (device, reason) = (eui(number), String::new());
        Record::Outcome(OutcomeRecord {
            device,
            outcome,
            reason,
            verdict: None,
            running: None,
            exclusion: None,
        })
    });
    let forward = (0..DEVICES, 0..WAVES)
        .prop_map(|(number, wave)| Record::BroughtForward(ForwardRecord { device: eui(number), wave }));
    let instructed = (0..DEVICES).prop_map(|number| {
        let image = FileDigest::from_bytes([1; 32]);
        let (device, row) = (eui(number), "B1".to_owned());
        Record::Instructed(InstructedRecord {
            device,
            row,
            verdict: None,
            supplier: None,
            image,
            groups: None,
        })
    });
    let delivered =
        (0..DEVICES).prop_map(|number| Record::Delivered(DeliveredRecord { device: eui(number) }));
    prop_oneof![ends, forward, instructed, delivered]
}

fn recounted(state: &CampaignState, wave: Option<u16>) -> WaveTally {
    let rows: Vec<&DeviceRow> = state.rows().filter(|row| row.wave == wave).collect();
    let ends = || rows.iter().filter_map(|row| row.outcome.as_ref().map(|(outcome, _)| *outcome));
    WaveTally {
        size: rows.len(),
        ended: ends().count(),
        done: ends().filter(|outcome| outcome.class() == OutcomeClass::Done).count(),
        failed: ends().filter(|outcome| outcome.class() == OutcomeClass::Failed).count(),
        blamed: ends().filter(|outcome| outcome.blames_image()).count(),
        unreached: ends().filter(|outcome| *outcome == Outcome::NoWan).count(),
    }
}

proptest! {
    /// Records that come twice, too late or too early are refused and count nothing.
    #[test]
    fn waves_are_counted_as_their_rows_are_after_every_record(
        records in proptest::collection::vec(any_record(), 0..60),
    ) {
        let mut state = state();
        for record in records {
            let refused = state.apply(Moment::default(), &record).is_err();
            let mut sum = WaveTally::default();
            for wave in [None, Some(0), Some(1), Some(2)] {
                let found = recounted(&state, wave);
                prop_assert_eq!(state.wave(wave), found, "{:?} after {:?}, refused: {}", wave, record, refused);
                sum = sum.add(found);
            }
            prop_assert_eq!(state.progress(), sum);
            prop_assert_eq!(sum.size, usize::from(DEVICES));
            let tally = state.tally();
            prop_assert_eq!(tally.ordered, tally.done + tally.failed + tally.excluded + tally.pending);
            prop_assert_eq!((tally.done, tally.failed), (sum.done, sum.failed));
        }
    }
}
