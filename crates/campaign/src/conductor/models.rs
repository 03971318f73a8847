//! Hub models as the engine's breakers tell them apart: manufacturer and model as the product list names them. A model
//! whose hubs storm is left alone as a whole, and no other.

use std::collections::BTreeMap;

use firmware_image::Eui64;
use transfer_engine::{MODELS, ModelId};

use super::Conductor;

/// The models met so far, numbered in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Models(BTreeMap<(String, String), ModelId>);

impl Models {
    /// Returns the number of a model; those beyond [`MODELS`] share the last.
    fn number(&mut self, manufacturer: &str, model: &str) -> ModelId {
        let next = u16::try_from(self.0.len()).unwrap_or(u16::MAX).min(MODELS - 1);
        *self.0.entry((manufacturer.to_owned(), model.to_owned())).or_insert(ModelId(next))
    }
}

impl Conductor {
    /// Returns how often each hub model that was met was left alone because it flooded us, by name.
    pub(super) fn breakers(&self) -> Vec<(String, u32)> {
        let named = self.models.0.iter();
        named
            .map(|((manufacturer, model), number)| {
                (format!("{manufacturer} {model}").trim().to_owned(), self.engine.breaker_openings(*number))
            })
            .collect()
    }

    /// Returns the number of a hub's model. Hubs whose entry is not on the list are told apart by its name.
    pub(super) fn model_of(&mut self, hub: Eui64) -> ModelId {
        let Some(found) = self.desk.inventory.device(hub) else { return ModelId::default() };
        match self.desk.register.entry(found.entry) {
            Some(entry) => self.models.number(entry.manufacturer.as_str(), entry.model.as_str()),
            None => self.models.number("", found.entry.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_told_apart_by_both_names_and_the_last_number_is_shared() {
        let mut models = Models::default();
        assert_eq!(models.number("A", "1"), ModelId(0));
        assert_eq!(models.number("A", "2"), ModelId(1));
        assert_eq!(models.number("B", "1"), ModelId(2));
        assert_eq!(models.number("A", "2"), ModelId(1), "it keeps its number");
        for more in 0..MODELS {
            models.number("C", &more.to_string());
        }
        assert_eq!(models.number("D", "1"), ModelId(MODELS - 1));
    }
}
