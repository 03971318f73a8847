//! The client attributes of the OTA cluster, read at the moment they are asked for.

use wire::{AttributeId, AttributeList, AttributeRecord, AttributeValue, ZclStatus};

use super::Meter;

/// Zigbee PRO, the stack of Smart Energy 1.x (ZCL OTA, Zigbee stack version values).
const STACK_PRO: u16 = 2;

/// What an attribute says before there is a value.
const NONE_16: u16 = 0xFFFF;
const NONE_32: u32 = 0xFFFF_FFFF;

impl Meter {
    pub(super) fn read_attributes(&self, list: &AttributeList) -> Vec<AttributeRecord> {
        let record = |id: &AttributeId| AttributeRecord {
            id: *id,
            result: self.attribute(*id).ok_or(ZclStatus::UnsupportedAttribute),
        };
        list.as_slice().iter().map(record).collect()
    }

    fn attribute(&self, id: AttributeId) -> Option<AttributeValue> {
        let model = self.config.model;
        let held = self.spare.filter(|spare| spare.verified);
        Some(match id {
            AttributeId::UPGRADE_SERVER_ID => AttributeValue::Eui64([0xFF; 8]),
            AttributeId::FILE_OFFSET => {
                let offset = self.download.as_ref().map(|download| download.offset);
                AttributeValue::Unsigned32(offset.or(held.map(|spare| spare.size)).unwrap_or(NONE_32))
            }
            AttributeId::CURRENT_FILE_VERSION => AttributeValue::Unsigned32(self.running_version().0),
            AttributeId::CURRENT_STACK_VERSION => AttributeValue::Unsigned16(STACK_PRO),
            AttributeId::DOWNLOADED_FILE_VERSION => {
                AttributeValue::Unsigned32(held.map_or(NONE_32, |spare| spare.key.file_version))
            }
            AttributeId::DOWNLOADED_STACK_VERSION => {
                AttributeValue::Unsigned16(held.map_or(NONE_16, |_| STACK_PRO))
            }
            AttributeId::IMAGE_UPGRADE_STATUS => AttributeValue::Enum8(self.stage.upgrade_status()),
            AttributeId::MANUFACTURER_ID => AttributeValue::Unsigned16(model.manufacturer.0),
            AttributeId::IMAGE_TYPE_ID => AttributeValue::Unsigned16(model.image_type.0),
            AttributeId::MINIMUM_BLOCK_PERIOD => {
                let period_ms = u16::try_from(self.minimum_block_period.as_millis()).unwrap_or(0xFFFE);
                AttributeValue::Unsigned16(period_ms)
            }
            // Where orders are required, only an order activates: "out of band" in the cluster's words.
            AttributeId::UPGRADE_ACTIVATION_POLICY => {
                AttributeValue::Enum8(u8::from(!self.board.trust().accepts_unsigned()))
            }
            // A hub that vanishes never activates anything.
            AttributeId::UPGRADE_TIMEOUT_POLICY => AttributeValue::Enum8(1),
            _ => return None,
        })
    }
}
