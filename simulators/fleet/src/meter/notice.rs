//! Image Notify: whether a meter that hears one asks for the image. What it asks then is in [`super::download`].

use wire::NotifyScope;

use super::Meter;

impl Meter {
    /// Judges an Image Notify (ZCL OTA, Image Notify "effect on receipt").
    pub(super) fn is_concerned(&self, query_jitter: u8, scope: &NotifyScope, broadcast: bool) -> bool {
        if !broadcast {
            return true;
        }
        let model = self.config.model;
        let own_type = |image_type| image_type == model.image_type.0 || image_type == 0xFFFF;
        let concerned = match *scope {
            NotifyScope::Everybody => true,
            NotifyScope::Manufacturer { manufacturer } => manufacturer == model.manufacturer.0,
            NotifyScope::ImageType { manufacturer, image_type } => {
                manufacturer == model.manufacturer.0 && own_type(image_type)
            }
            NotifyScope::Image(key) => {
                key.manufacturer == model.manufacturer.0
                    && own_type(key.image_type)
                    && key.file_version != self.running_version().0
            }
            NotifyScope::Reserved(_) => false,
        };
        concerned && query_jitter <= 100 && self.draw() <= query_jitter
    }

    /// Draws from 1 to 100. A meter has no world seed, so it hashes its own address and history (ours).
    fn draw(&self) -> u8 {
        let mut state = u64::from_be_bytes(self.config.eui.to_bytes()) ^ u64::from(self.transaction) << 17;
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u8::try_from((state >> 33) % 100).expect("below 100") + 1
    }
}
