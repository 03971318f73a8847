//! An engine in memory: every record is durable as soon as it is written, and nothing is ever sent.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use campaign::{CampaignId, CampaignOrder, Command, CommandRecord, Conductor, Desk, Heeded, Settings};
use eligibility::{Exclusion, ExclusionEntry, GateConfig, Inventory, Register, RegisterFiles};
use firmware_image::{
    FileVersion, HardwareRange, HardwareVersion, ImageIdentity, ImageType, ManufacturerCode, OtaFile,
    SequenceNumber, SignedImage, SignedRelease, SigningKey, TrustStore,
};
use ledger::{Head, Ledger, MemoryStore};
use smso_adapter::{
    ApproveFailure, CampaignDesk, CommandFailure, CreateError, TakeImageError, Taken, Unavailable,
};
use transfer_engine::{ByteRate, EngineConfig, LineRate, Moment, Transport};

/// Monday, 5 October 2020: four weeks after the conclusions report.
const NOW: Moment = Moment::from_micros(1_601_856_000_000_000);

#[derive(Clone)]
pub struct MemoryDesk {
    inner: Arc<Mutex<Inner>>,
    /// How long every answer takes.
    pub slowness: Duration,
    pub gone: bool,
}

struct Inner {
    conductor: Conductor,
    ledger: Ledger<MemoryStore>,
    ids: u32,
}

pub fn signing_key() -> SigningKey {
    SigningKey::generate_from_seed([7; 32])
}

/// The image that the product list has for the electricity meters, unsigned.
pub fn meter_file() -> OtaFile {
    let identity = ImageIdentity {
        manufacturer: ManufacturerCode(0x10E5),
        image_type: ImageType(0x0011),
        file_version: FileVersion(0x0102_0400),
        hardware: Some(HardwareRange { min: HardwareVersion(0x0100), max: HardwareVersion(0x01FF) }),
    };
    OtaFile::build(&identity, "a meter", &[0x5A; 5_000]).expect("it builds")
}

pub fn meter_image() -> Bytes {
    let signed = SignedImage::sign(&meter_file(), SequenceNumber(4), &signing_key()).expect("it signs");
    signed.file().bytes().clone()
}

/// Three homes: a Dormant one, an Active one, and one that runs the new firmware.
fn desk() -> Desk {
    let file = meter_file();
    let (digest, size) = (file.image_digest(), file.payload().len());
    let cpl = format!(
        "entry_id,device_type,manufacturer,model,hardware_version,firmware_version,image_sha256,image_size,\
         smets_version,status,predecessors\n\
         CH-1,CHF,Maker,Hub,0102,01020300,,,SMETS1 v1.2,Active,N/A\n\
         E-OLD,ESME,Maker,Meter,0102,01020300,,,SMETS1 v1.2,Active,N/A\n\
         E-NEW,ESME,Maker,Meter,0102,01020400,{digest},{size},SMETS1 v1.2,Active,E-OLD\n"
    );
    let epcl = "dmc_id,group,smso,comms_provider,esme_entry,gsme_entry,ch_entry,ppmid_entry,ihd_entry,date_added\n\
                D-OLD,G,S,P,E-OLD,,CH-1,,,2020-01-01\nD-NEW,G,S,P,E-NEW,,CH-1,,,2020-06-01\n";
    let ppcl = "dmc_id,group,smso,comms_provider,esme_entry,gsme_entry,ch_entry,ppmid_entry,ihd_entry,\
                date_proposed,uneconomic\n";
    let evidence = "dmc_id,kind,state,date,doc_ref,equivalent_to\n";
    let files = RegisterFiles {
        cpl: cpl.as_bytes(),
        epcl: epcl.as_bytes(),
        ppcl: ppcl.as_bytes(),
        evidence: evidence.as_bytes(),
    };
    let mut inventory = String::from(
        "device_id,device_type,installation_id,hub_id,channel,cpl_entry,hardware_version,supplier_id,status,\
         enrolled,exclusion,smso,group,comms_provider,hub_address,cell\n",
    );
    for (home, status, entry) in [(1, "Dormant", "E-OLD"), (2, "Active", "E-OLD"), (3, "Dormant", "E-NEW")] {
        let hub = format!("00-0D-6F-00-00-00-0{home}-00");
        let meter = format!("00-0D-6F-00-00-00-0{home}-01");
        let place = format!("false,,S,G,P,127.0.0.{home}:4059,cell-1");
        inventory.push_str(&format!("{hub},CHF,home-{home},{hub},0,CH-1,0102,SUP,NotApplicable,{place}\n"));
        inventory.push_str(&format!("{meter},ESME,home-{home},{hub},1,{entry},0102,SUP,{status},{place}\n"));
    }
    // Half a year after the day of the tests, for which it is no reason yet.
    let to_come = ExclusionEntry {
        device: "00-0D-6F-00-00-00-01-01".parse().expect("an id"),
        reason: Exclusion::SupplierBelief,
        since: "2021-04-01".parse().expect("a date"),
        doc_ref: None,
    };
    let inventory = Inventory::load(inventory.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    Desk {
        register: Register::load(files).unwrap_or_else(|error| panic!("{error}")),
        inventory: inventory.with_rows(Vec::new(), vec![to_come]).unwrap_or_else(|error| panic!("{error}")),
        gate: GateConfig::AS_EXPECTED,
    }
}

impl MemoryDesk {
    pub fn new() -> MemoryDesk {
        let settings = Settings {
            engine: EngineConfig::default(),
            cell_rate: ByteRate(20_000),
            link_rate: LineRate::AtMost(ByteRate(2_700)),
            transport: Transport::Datagram,
            order_key: SigningKey::generate_from_seed([9; 32]),
            papers: campaign::ChainPapers::default(),
        };
        let conductor = Conductor::new(settings, desk(), NOW);
        let ledger = Ledger::open(MemoryStore::default()).expect("an empty ledger");
        let inner = Arc::new(Mutex::new(Inner { conductor, ledger, ids: 0 }));
        MemoryDesk { inner, slowness: Duration::ZERO, gone: false }
    }

    async fn inner(&self) -> Result<MutexGuard<'_, Inner>, Unavailable> {
        tokio::time::sleep(self.slowness).await;
        if self.gone { Err(Unavailable) } else { Ok(self.inner.lock().expect("no test panics inside")) }
    }
}

impl CampaignDesk for MemoryDesk {
    async fn take_image(&self, file: Bytes) -> Result<Taken, TakeImageError> {
        let image = TrustStore::new(vec![signing_key().public()]).verify_bytes(file)?;
        let mut inner = self.inner().await?;
        let known = inner.conductor.images().any(|known| known.file_digest() == image.file_digest());
        inner.conductor.add_image(image.clone());
        Ok(Taken { image, known })
    }

    async fn create(&self, order: CampaignOrder) -> Result<(), CreateError> {
        let mut inner = self.inner().await?;
        let Inner { conductor, ledger, .. } = &mut *inner;
        conductor.create(NOW, &order)?;
        keep(conductor, ledger);
        Ok(())
    }

    async fn command(
        &self,
        campaign: CampaignId,
        command: Command,
        asked: CommandRecord,
    ) -> Result<Heeded, CommandFailure> {
        let mut inner = self.inner().await?;
        let Inner { conductor, ledger, .. } = &mut *inner;
        let heeded = conductor.command(NOW, &campaign, command, asked)?;
        keep(conductor, ledger);
        Ok(heeded)
    }

    async fn approve(&self, campaign: CampaignId, release: SignedRelease) -> Result<Heeded, ApproveFailure> {
        let mut inner = self.inner().await?;
        let Inner { conductor, ledger, .. } = &mut *inner;
        let heeded = conductor.approve(NOW, &campaign, &release)?;
        keep(conductor, ledger);
        Ok(heeded)
    }

    async fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Conductor) -> R + Send + 'static,
    ) -> Result<(R, Head), Unavailable> {
        let inner = self.inner().await?;
        Ok((look(&inner.conductor), inner.ledger.head()))
    }

    fn fresh_id(&self) -> CampaignId {
        let mut inner = self.inner.lock().expect("no test panics inside");
        inner.ids += 1;
        format!("c-{}", inner.ids).parse().expect("a sound id")
    }
}

/// Makes what was recorded durable.
fn keep(conductor: &mut Conductor, ledger: &mut Ledger<MemoryStore>) {
    while let Some(batch) = conductor.poll_append() {
        let entries = batch.len();
        ledger.append(batch).expect("memory takes everything");
        conductor.handle_durable(NOW, entries);
    }
}
