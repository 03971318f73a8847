//! The gate at the size of Great Britain's Dormant Meters: what a verdict costs, how fast an inventory is read, and what a
//! home takes in memory.
//!
//! `cargo bench --bench gate`; a word chooses a row: `verdicts`, `load`, `memory`. Costs are processor time of the
//! measuring thread, as machines are shared; memory is that of a process of its own. Figures belong to the machine,
//! which is described. Without `--bench` (as `cargo test --benches` runs it) everything is done once and small.

use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::process::Command;

use eligibility::{
    Circumstances, Claim, CplEntryId, CsvRows, Date, FileKind, GateConfig, ImageSize, InstructingParty,
    Inventory, ListReader, OfferedImage, Register, RegisterFiles, SmsoId, Targets, decide, decide_each,
};
use firmware_image::{
    Eui64, FileVersion, HardwareRange, HardwareVersion, ImageDigest, ImageIdentity, ImageType,
    ManufacturerCode,
};

mod measure;

use measure::{cost, machine, thread_time};

/// Devices of a home: a hub, two meters and a display.
const DEVICES: u32 = 4;

/// The devices of an order (DUIS service request 11.1 names at most so many).
const ORDER: usize = 50_000;

/// A measurement is the median of so many.
const ROUNDS: usize = 5;

/// Bars: verdicts a second and core, seconds for a million rows, bytes for a million homes.
const VERDICTS_PER_S: f64 = 1e6;
const LOAD_S: f64 = 3.0;
const MEMORY_BYTES: u64 = 600_000_000;

/// The argument under which this program measures its own memory, and what follows are homes.
const MEMORY: &str = "--memory-of";

/// The rows that can be asked for by name; without a name all are measured.
const ROWS: [&str; 3] = ["verdicts", "load", "memory"];

const HEADER: &str = "device_id,device_type,installation_id,hub_id,channel,cpl_entry,hardware_version,supplier_id,\
                      status,enrolled,exclusion,smso,group,comms_provider,hub_address,cell,postcode_district\n";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let whole = arguments.iter().any(|argument| argument == "--bench");
    let million = if whole { 1_000_000 } else { 1_000 };
    if let [_, flag, homes] = &arguments[..]
        && flag == MEMORY
    {
        return print_memory(homes.parse().expect("we are our own caller"));
    }
    let rows: Vec<&str> =
        arguments.iter().skip(1).map(String::as_str).filter(|word| ROWS.contains(word)).collect();
    let wanted = |row: &str| rows.is_empty() || rows.contains(&row);
    println!("machine: {}", machine());
    println!("time: {}", if thread_time().is_some() { "processor time of the thread" } else { "wall clock" });
    if wanted("load") {
        load(million);
    }
    if wanted("memory") {
        memory(million);
    }
    if wanted("verdicts") {
        for homes in [million / 100, million] {
            verdicts(homes, if whole { 2_000_000 } else { 2_000 });
        }
    }
    println!("machine at the end: {}", machine());
}

/// The rows of an inventory, home by home, made as they are read.
struct Homes {
    next: u32,
    count: u32,
    text: Vec<u8>,
    given: usize,
}

impl Homes {
    fn new(count: u32) -> Homes {
        Homes { next: 0, count, text: HEADER.as_bytes().to_vec(), given: 0 }
    }

    fn write_home(&mut self, home: u32) {
        let (supplier, cell, provider) = (home % 60, home % 5_000, provider(home));
        // One home in twenty has an Active gas meter; one in a hundred is excluded.
        let gas = if home % 20 == 7 { "Active" } else { "Dormant" };
        let exclusion = if home % 100 == 3 { "missing-master-keys" } else { "" };
        let (hub, district) = (eui(home, 0), district(home));
        let devices = [
            ("CHF", "CHF-1", "NotApplicable", exclusion),
            ("ESME", "ESME-1", "Dormant", ""),
            ("GSME", "GSME-1", gas, ""),
            ("PPMID", "PPMID-1", "NotApplicable", ""),
        ];
        for (channel, (kind, entry, status, exclusion)) in (0..).zip(devices) {
            writeln!(
                self.text,
                "{},{kind},HOME-{home:07},{hub},{channel},{entry},0101,SUP-{supplier:02},{status},false,{exclusion},\
                 SMSO-1,GROUP-A,{provider},10.{}.{}.{}:4059,CELL-{cell:05},{district}",
                eui(home, channel),
                home >> 16,
                (home >> 8) & 0xFF,
                home & 0xFF,
            )
            .expect("memory takes text");
        }
    }
}

/// Great Britain has about 2,900 postcode districts.
const DISTRICTS: u32 = 2_900;

fn district(home: u32) -> String {
    let number = home % DISTRICTS;
    let letter = |number: u32| char::from(b'A' + (number % 26) as u8);
    format!("{}{}{}", letter(number / 99 / 26), letter(number / 99), number % 99 + 1)
}

impl Read for Homes {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.given == self.text.len() && self.next < self.count {
            self.text.clear();
            self.given = 0;
            for _ in 0..64.min(self.count - self.next) {
                self.write_home(self.next);
                self.next += 1;
            }
        }
        let read = (&self.text[self.given..]).read(into)?;
        self.given += read;
        Ok(read)
    }
}

/// Devices of one home have addresses far from one another, as makers number them.
fn eui(home: u32, channel: u32) -> Eui64 {
    let maker: u64 = [0x000D_6F00, 0x0C2A_6900, 0x70B3_D51F, 0x84BA_2000][channel as usize % 4];
    // An odd factor is a permutation of the 32-bit numbers.
    let number = home.wrapping_mul(2_654_435_761);
    Eui64::from_bytes((maker << 32 | u64::from(number)).to_be_bytes())
}

/// Homes differ by their provider, and so by the evidence of their combination.
fn provider(home: u32) -> &'static str {
    ["CSP-1", "CSP-2", "CSP-3", "CSP-4", "CSP-5"][(home / 3) as usize % 5]
}

/// A register with combinations that are listed, tested, reported, equivalent, and nothing of it.
fn register() -> Register {
    let digest = |entry: &str| ImageDigest::of(entry.as_bytes());
    let mut cpl = String::from(
        "entry_id,device_type,manufacturer,model,hardware_version,firmware_version,image_sha256,image_size,\
         smets_version,status,predecessors\n",
    );
    for kind in ["CHF", "ESME", "GSME", "PPMID"] {
        let sha = digest(&format!("{kind}-2"));
        cpl.push_str(&format!("{kind}-1,{kind},Maker,Model {kind},0101,00000001,,,SMETS1,Active,N/A\n"));
        cpl.push_str(&format!(
            "{kind}-2,{kind},Maker,Model {kind},0101,00000002,{sha},1000,SMETS1,Active,{kind}-1\n"
        ));
    }
    let header = "dmc_id,group,smso,comms_provider,esme_entry,gsme_entry,ch_entry,ppmid_entry,ihd_entry,";
    let row = |id: &str, provider: &str| {
        format!("{id},GROUP-A,SMSO-1,{provider},ESME-2,GSME-2,CHF-1,PPMID-1,,2020-06-01")
    };
    let epcl = format!("{header}date_added\n{}\n", row("D1", "CSP-1"));
    let mut ppcl = format!("{header}date_proposed,uneconomic\n");
    for (id, provider) in [("D2", "CSP-2"), ("D3", "CSP-3"), ("D4", "CSP-4"), ("D5", "CSP-5")] {
        ppcl.push_str(&format!("{},false\n", row(id, provider)));
    }
    let evidence = "dmc_id,kind,state,date,doc_ref,equivalent_to\n\
                    D2,MT,complete,2020-08-01,MT 2,\nD2,SIT,complete,2020-08-02,SIT 2,\n\
                    D3,DMCT_EPCL_REPORT,issued,2020-08-03,report 3,\n\
                    D4,DMCT_EPCL_REPORT,issued,2020-08-04,report 4,D2\n";
    let files = RegisterFiles {
        cpl: cpl.as_bytes(),
        epcl: epcl.as_bytes(),
        ppcl: ppcl.as_bytes(),
        evidence: evidence.as_bytes(),
    };
    Register::load(files).expect("the lists are sound")
}

/// What a verdict costs: an order of both meters of 25,000 homes, asked about in no order that memory would like.
fn verdicts(homes: u32, count: usize) {
    let (register, inventory) = (register(), Inventory::load(Homes::new(homes)).expect("sound"));
    let id = |text: &str| text.parse::<CplEntryId>().expect("an id");
    let (electricity, gas) = (id("ESME-2"), id("GSME-2"));
    let ordered = (ORDER as u32 / 2).min(homes);
    // Odd, so that homes of every provider are ordered.
    let stride = (homes / ordered).max(1) | 1;
    let targets: Targets = (0..ordered)
        .flat_map(|home| {
            let home = home * stride % homes;
            [(eui(home, 1), electricity.clone()), (eui(home, 2), gas.clone())]
        })
        .collect();
    let image = OfferedImage {
        digest: ImageDigest::of(b"ESME-2"),
        size: ImageSize(1_000),
        identity: ImageIdentity {
            manufacturer: ManufacturerCode(0x10E5),
            image_type: ImageType(0x11),
            file_version: FileVersion(2),
            hardware: Some(HardwareRange { min: HardwareVersion(0x100), max: HardwareVersion(0x1FF) }),
        },
    };
    let smso: SmsoId = "SMSO-1".parse().expect("an id");
    let today = Date::new(2020, 10, 1).expect("a date");
    // 40,503 and the number of homes have no common factor, so that every home is met, in no order.
    let claim = |number: usize| {
        let home = (number as u32).wrapping_mul(40_503) % ordered * stride % homes;
        Claim {
            device: eui(home, 1),
            targets: &targets,
            instructed_by: &InstructingParty::Dcc,
            addressed_smso: &smso,
            image: &image,
            circumstances: Circumstances::default(),
        }
    };
    let claims: Vec<Claim<'_>> = (0..count).map(claim).collect();
    let config = GateConfig::AS_EXPECTED;
    let mut codes: BTreeMap<&'static str, usize> = BTreeMap::new();
    decide_each(claims.iter().copied(), &register, &inventory, today, &config, |_, verdict| {
        *codes.entry(verdict.code()).or_default() += 1;
    });
    let singly = median(|| {
        cost(|| {
            for claim in &claims {
                black_box(decide(claim, &register, &inventory, today, &config).is_allowed());
            }
        }) * 1e9
            / count as f64
    });
    let nanoseconds = median(|| {
        cost(|| {
            decide_each(claims.iter().copied(), &register, &inventory, today, &config, |_, verdict| {
                black_box(verdict.is_allowed());
            });
        }) * 1e9
            / count as f64
    });
    let per_s = 1e9 / nanoseconds;
    println!(
        "verdicts, {homes} homes, an order of {} devices: {nanoseconds:.0} ns, {:.2} M/s a core (bar {:.0}){}; one by one \
         {singly:.0} ns",
        targets.len(),
        per_s / 1e6,
        VERDICTS_PER_S / 1e6,
        missed(per_s < VERDICTS_PER_S)
    );
    println!("  codes: {codes:?}");
}

/// How long a million rows take from a file, through every check.
fn load(rows: u32) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let length = std::io::copy(&mut Homes::new(rows / DEVICES), &mut file.as_file()).expect("written");
    let read = || {
        let mut reader = ListReader::new(eligibility::Completeness::Whole);
        let source = File::open(file.path()).expect("it is there");
        reader.read(FileKind::Inventory, &mut CsvRows::new(source));
        let lists = reader.finish().expect("the rows are sound");
        assert_eq!(lists.inventory.device_count(), rows as usize);
    };
    let seconds = median(|| cost(read));
    println!(
        "load, {rows} inventory rows, {:.0} MB of CSV: {seconds:.2} s, {:.0} ns a row (bar {LOAD_S} s a million){}",
        length as f64 / 1e6,
        seconds * 1e9 / f64::from(rows),
        missed(seconds * 1e6 / f64::from(rows) > LOAD_S)
    );
}

/// What a million homes take, in a process of its own.
fn memory(homes: u32) {
    let program = std::env::current_exe().expect("we run");
    let output =
        Command::new(program).args([MEMORY, &homes.to_string()]).output().expect("we start ourselves");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

fn print_memory(homes: u32) {
    let Some(before) = resident("VmRSS:") else {
        return println!("memory: this system does not say");
    };
    let inventory = Inventory::load(Homes::new(homes)).expect("the rows are sound");
    let held = resident("VmRSS:").unwrap_or_default().saturating_sub(before);
    let peak = resident("VmHWM:").unwrap_or_default().saturating_sub(before);
    let devices = inventory.device_count() as u64;
    println!(
        "memory, {homes} homes with {devices} devices: {} MB held, {} B a device; {} MB at the peak of loading (bar \
         {} MB held a million homes){}",
        held / 1_000_000,
        held / devices.max(1),
        peak / 1_000_000,
        MEMORY_BYTES / 1_000_000,
        missed(held > MEMORY_BYTES / 1_000_000 * u64::from(homes).max(100_000))
    );
    black_box(inventory);
}

fn missed(is: bool) -> &'static str {
    if is { " MISSED" } else { "" }
}

fn median(mut measure: impl FnMut() -> f64) -> f64 {
    let mut figures: Vec<f64> = (0..ROUNDS).map(|_| measure()).collect();
    figures.sort_by(f64::total_cmp);
    figures[ROUNDS / 2]
}

fn resident(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}
