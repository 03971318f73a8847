//! What a thief does with some of the keys in a home whose hub and meter hold an honest root, an honest status and the
//! release of one image. Which of it should work is left to `stolen`.

use std::fmt;

use firmware_image::{Eui64, SignedRoot, TrustAnchor};
use fleet::DeviceTrust;
use wire::{AccessResult, DeviceChallenge, DocumentKind, ZclStatus};

use crate::craft::{self, Target};
use crate::craft_image::{image, payload_of};
use crate::home::{Home, METER, hub_config, meter_config};
use crate::meter;
use crate::pen::sha256;
use crate::recipes::{
    HOUR, ImageRecipe, METER_TYPE, NEW, OLD, OrderRecipe, ReleaseRecipe, RootRecipe, State, StatusRecipe,
};

/// Whose keys are stolen: enough of them to sign alone.
#[derive(Clone, Copy, Debug)]
pub struct Loot {
    pub root: bool,
    pub maker: bool,
    pub operator: bool,
    pub status: bool,
    pub order: bool,
}

impl Loot {
    /// Returns one of the 32 subsets.
    pub fn subset(number: u8) -> Loot {
        let has = |bit: u8| number >> bit & 1 == 1;
        Loot { root: has(0), maker: has(1), operator: has(2), status: has(3), order: has(4) }
    }

    fn has(&self, key: &str) -> bool {
        match key {
            "r1" | "r2" => self.root,
            "maker" => self.maker,
            "ann" | "bob" => self.operator,
            "status" => self.status,
            "order" => self.order,
            other => panic!("no duty has the key {other}"),
        }
    }

    /// Two different stolen keys, if any: for duties that are not theirs.
    fn others(&self) -> Vec<&'static str> {
        ["maker", "order", "status", "ann", "bob", "r1", "r2"]
            .into_iter()
            .filter(|key| self.has(key))
            .collect()
    }
}

impl fmt::Display for Loot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duties = [
            (self.root, "root"),
            (self.maker, "maker"),
            (self.operator, "operator"),
            (self.status, "status"),
            (self.order, "order"),
        ];
        let names: Vec<&str> = duties.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
        write!(formatter, "{{{}}}", names.join(", "))
    }
}

/// What a thief puts in the place of a key that is missing.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// A key of their own, under its own name.
    Own,
    /// A key of their own, under the genuine name.
    Disguised,
    /// A stolen key of another duty.
    Borrowed,
    /// A stolen key of another duty, under the genuine name.
    BorrowedDisguised,
}

/// A thief with some keys and a way of making up for the others.
#[derive(Clone, Debug)]
pub struct Heist {
    loot: Loot,
    way: Way,
}

impl Heist {
    pub fn ways(loot: Loot) -> Vec<Heist> {
        let ways = [Way::Own, Way::Disguised, Way::Borrowed, Way::BorrowedDisguised];
        ways.into_iter().map(|way| Heist { loot, way }).collect()
    }

    /// Says who signs in the place of a genuine key; after a rotation of the thief's, the key that it brought.
    fn hand(&self, key: &str) -> String {
        if self.loot.root && !key.starts_with('r') {
            return format!("my {key}").replace(' ', "-");
        }
        if self.loot.has(key) {
            return key.to_owned();
        }
        let second = usize::from(matches!(key, "bob" | "r2"));
        let borrowed = self.loot.others().get(second).map_or("mallory", |key| *key);
        match self.way {
            Way::Own => ["mallory", "mallory2"][second].to_owned(),
            Way::Disguised => format!("mallory as {key}"),
            Way::Borrowed => borrowed.to_owned(),
            Way::BorrowedDisguised => format!("{borrowed} as {key}"),
        }
    }

    fn hands(&self, keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| self.hand(key)).collect()
    }

    fn root_version(&self) -> u64 {
        if self.loot.root { 2 } else { 1 }
    }

    fn target(&self, eui: Eui64, challenge: DeviceChallenge, image: [u8; 32]) -> Target {
        Target {
            image_type: METER_TYPE,
            eui: eui.to_bytes(),
            image,
            nonce: challenge.nonce,
            last_counter: challenge.last_counter,
            epoch: 1,
            root: self.root_version(),
        }
    }

    /// A root that gives every duty to the thief. The genuine manufacturer stays believed: old images may be wanted.
    fn own_root(&self) -> RootRecipe {
        let own = |key: &str| format!("my-{key}");
        RootRecipe {
            by: self.hands(&["r1", "r2"]),
            makers: vec!["maker".to_owned(), own("maker")],
            operators: vec![format!("{} Me", own("ann")), format!("{} Myself", own("bob"))],
            status: vec![own("status")],
            order: vec![own("order")],
            ..RootRecipe::default()
        }
    }

    pub fn own_image(&self) -> ImageRecipe {
        let text = "firmware of a thief".to_owned();
        ImageRecipe {
            by: vec![self.hand("maker")],
            text,
            version: NEW + 1,
            sequence: 9,
            ..ImageRecipe::default()
        }
    }

    pub fn genuine_image(&self) -> ImageRecipe {
        ImageRecipe::default()
    }

    pub fn genuine_file(&self) -> ImageRecipe {
        self.genuine_image()
    }

    /// The manufacturer signed it, and nobody has released it.
    fn unreleased_image(&self) -> ImageRecipe {
        let text = "for next year".to_owned();
        ImageRecipe { text, version: NEW + 2, sequence: 11, ..ImageRecipe::default() }
    }

    pub fn old_image(&self) -> ImageRecipe {
        let text = "with a hole in it".to_owned();
        ImageRecipe { text, version: OLD - 1, sequence: 4, ..ImageRecipe::default() }
    }

    /// An honest home: everybody holds root 1, the hub a status and the release of the genuine image.
    pub fn home(&self) -> Home {
        let anchor = State::default().anchors().swap_remove(0);
        let mut config = meter_config();
        config.factory_sequence = 5;
        let hub = hub_config(std::slice::from_ref(&config));
        let mut home = Home::new(hub, vec![config], DeviceTrust::rooted(anchor));
        let honest = Heist { loot: Loot::subset(0), way: Way::Own };
        let target = honest.target(home.hub.eui(), home.hub.challenge(), [0; 32]);
        let release = ReleaseRecipe::default();
        let named = names(&honest.genuine_image());
        for paper in
            [craft::status(&StatusRecipe::default(), &target), craft::release(&release, &target, named)]
        {
            assert_eq!(home.set_paper(0, &paper.bytes), AccessResult::Success);
        }
        home
    }

    /// Offers the thief's root to hub and meter.
    pub fn rotate(&self, home: &mut Home) {
        let root = craft::root(&self.own_root(), 2).bytes;
        home.set_paper(0, &root);
        home.set_paper(1, &root);
        home.run_minutes(2);
        // The meter says which root it holds when it is asked; until then nothing waits for it.
        home.set_paper(1, &root);
        home.run_minutes(2);
    }

    pub fn home_after_rotation(&self) -> Home {
        let mut home = self.home();
        self.rotate(&mut home);
        home
    }

    pub fn write_status(&self, home: &mut Home, hour: i64, floors: Vec<(u16, u16, u64)>) {
        let by = self.hand("status");
        let (issued, expires) = (hour * HOUR, (hour + 20) * HOUR);
        let status = StatusRecipe { by, serial: 2, issued, expires, floors, ..StatusRecipe::default() };
        let target = self.target(home.hub.eui(), home.hub.challenge(), [0; 32]);
        home.set_paper(0, &craft::status(&status, &target).bytes);
    }

    pub fn write_release(&self, home: &mut Home, named: ([u8; 32], [u8; 32])) {
        let by = self.hands(&["ann", "bob"]);
        let release = ReleaseRecipe { by, serial: 2, ..ReleaseRecipe::default() };
        let target = self.target(home.hub.eui(), home.hub.challenge(), [0; 32]);
        home.set_paper(0, &craft::release(&release, &target, named).bytes);
    }

    /// A hub under the thief's root has lost the honest release; under the honest root there is no need of another.
    pub fn release_if_rotated(&self, home: &mut Home, image: &ImageRecipe) {
        if self.loot.root {
            self.write_release(home, names(image));
        }
    }

    /// Carries an image into the slot of the meter; says whether the hub took it.
    pub fn store(&self, home: &mut Home, recipe: &ImageRecipe) -> bool {
        home.stage_file(1, &image(recipe, METER_TYPE).bytes.into())
    }

    pub fn release_and_store(&self, home: &mut Home, recipe: &ImageRecipe) -> bool {
        // An honest status is public; after a rotation it takes one of the thief's.
        if self.loot.root {
            self.write_status(home, 0, Vec::new());
        }
        self.write_release(home, names(recipe));
        self.store(home, recipe)
    }

    pub fn store_own(&self, home: &mut Home) -> bool {
        self.release_and_store(home, &self.own_image())
    }

    pub fn store_unreleased(&self, home: &mut Home) -> bool {
        self.release_and_store(home, &self.unreleased_image())
    }

    /// Does what the operator does: the genuine image lies verified in the meter, and nobody has ordered it yet.
    pub fn deliver_genuine(&self, home: &mut Home) {
        assert!(self.store(home, &self.genuine_image()));
        home.run_minutes(60);
        assert!(home.meters[0].staged_image(&mut home.pool).is_some(), "the meter holds the image");
    }

    pub fn order_for(&self, eui: Eui64, challenge: DeviceChallenge, recipe: &ImageRecipe) -> Vec<u8> {
        let order = OrderRecipe { by: self.hand("order"), ..OrderRecipe::default() };
        let target = self.target(eui, challenge, sha256(&payload_of(recipe)));
        craft::order(&order, &target).bytes
    }

    /// Orders through the hub, over the WAN.
    pub fn order_meter(&self, home: &mut Home, recipe: &ImageRecipe) {
        let order = self.order_for(METER, home.meters[0].challenge(), recipe);
        home.order_activation(1, &order);
        home.run_minutes(10);
    }

    /// A meter whose hub is the thief's, after it was offered the thief's root and image; and whether it kept that.
    pub fn meter_of_hostile_hub(&self) -> (meter::Bench, bool) {
        let mut bench = meter::Bench::new(&State::default());
        bench.tell(DocumentKind::Root, &craft::root(&self.own_root(), 2).bytes);
        let file = image(&self.own_image(), METER_TYPE).bytes;
        let kept = bench.offer(&file) == Some(ZclStatus::Success);
        (bench, kept)
    }

    /// Tries roots that forget a revocation, that give the revoked key a duty, that do both.
    pub fn brings_a_revoked_key_back(&self) -> bool {
        let revoking = RootRecipe {
            makers: vec!["maker2".to_owned()],
            revoked: vec!["maker".to_owned()],
            ..RootRecipe::default()
        };
        let state = State { roots: vec![RootRecipe::default(), revoking], ..State::default() };
        let held: TrustAnchor = state.anchors().swap_remove(1);
        let by = self.hands(&["r1", "r2"]);
        let forgets = RootRecipe { by: by.clone(), ..RootRecipe::default() };
        let both = RootRecipe { by, revoked: vec!["maker".to_owned()], ..RootRecipe::default() };
        [forgets, both].iter().any(|recipe| {
            let root = craft::root(recipe, 3).bytes;
            SignedRoot::from_bytes(&root).and_then(|signed| held.advance(&signed)).is_ok()
        })
    }
}

fn names(recipe: &ImageRecipe) -> ([u8; 32], [u8; 32]) {
    craft::names_of(&image(recipe, METER_TYPE).bytes, sha256(&payload_of(recipe)))
}
