//! What came since the first day, each with its moment. It holds from the next moment on: what was done at the very moment
//! may have been done before it was read.

use std::collections::BTreeMap;

use eligibility::{DeviceChange, Exclusion, MeterStatus, SupplierId};
use firmware_image::{Eui64, FileDigest};
use transfer_engine::Moment;

/// All of it.
#[derive(Clone, Default)]
pub struct Letters {
    /// What changed about devices.
    pub changes: Vec<(Moment, Eui64, DeviceChange)>,
    /// All reports and tests were withdrawn.
    pub evidence: Option<Moment>,
    /// Images whose signers are not believed any more.
    pub images: BTreeMap<FileDigest, Moment>,
}

impl Letters {
    fn last<'a, T>(
        &'a self,
        device: Eui64,
        at: Moment,
        read: impl Fn(&'a DeviceChange) -> Option<T>,
    ) -> Option<T> {
        let of_device = self.changes.iter().filter(|(came, about, _)| *about == device && *came < at);
        of_device.filter_map(|(_, _, change)| read(change)).last()
    }

    /// Returns whether a meter is Dormant, if a letter says so.
    pub(super) fn status(&self, device: Eui64, at: Moment) -> Option<MeterStatus> {
        self.last(device, at, |change| match change {
            DeviceChange::Status(status) => Some(*status),
            _ => None,
        })
    }

    /// Returns whose device it is, if a letter says so.
    pub(super) fn supplier(&self, device: Eui64, at: Moment) -> Option<&SupplierId> {
        self.last(device, at, |change| match change {
            DeviceChange::Supplier(supplier) => Some(supplier),
            _ => None,
        })
    }

    /// Returns why a device is excluded, or that it is not, if a letter says so.
    pub(super) fn exclusion(&self, device: Eui64, at: Moment) -> Option<Option<&Exclusion>> {
        self.last(device, at, |change| match change {
            DeviceChange::Exclusion(exclusion) => Some(exclusion.as_ref()),
            _ => None,
        })
    }
}
