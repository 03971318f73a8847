//! What a block costs on real sockets, sender and fleet in two processes: `cargo bench --bench wire`.
//!
//! ```text
//!   this process                              itself again, as a child
//!   Engine ─► Wires (head-end) ─► sockets ──► hubs 127.16.0.0/12, one socket (UDP), one stream each (TCP)
//! ```
//!
//! Everything stays on the loopback device and ends by itself. `-- --full` runs the long form, `-- --peers` other
//! people's servers beside it, `-- udp`, `tcp`, `pacing` or `lanes` single rows, `--json FILE` writes the figures. What each row means is said
//! in `benches/README.md`.

#[path = "wire/bare.rs"]
mod bare; // the loop without an engine
#[path = "wire/fleet.rs"]
mod fleet_process; // the child
#[path = "wire/hubs.rs"]
mod hubs; // what a hub answers
#[path = "wire/lanes.rs"]
mod lanes; // several threads that send
#[path = "wire/machine.rs"]
mod machine; // what we run on
#[path = "wire/peer_clients.rs"]
mod peer_clients; // what other people's servers are asked
#[path = "wire/peers.rs"]
mod peers; // other people's servers
#[path = "wire/report.rs"]
mod report; // the table and the JSON
#[path = "wire/rows.rs"]
mod rows; // what is measured
#[path = "wire/sender.rs"]
mod sender; // engine and wires

use report::Row;

/// Words on the command line.
struct Wish {
    full: bool,
    peers: bool,
    json: Option<String>,
    rows: Vec<String>,
}

impl Wish {
    fn read() -> Wish {
        let mut wish = Wish { full: false, peers: false, json: None, rows: Vec::new() };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--full" => wish.full = true,
                "--peers" => wish.peers = true,
                "--json" => wish.json = words.next(),
                // Said by cargo.
                "--bench" => {}
                row => wish.rows.push(row.to_owned()),
            }
        }
        wish
    }

    fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| wanted == row)
    }
}

fn main() {
    let limit = machine::raise_file_limit();
    let words: Vec<String> = std::env::args().collect();
    if let [_, role, transport, hubs] = &words[..]
        && role == fleet_process::ROLE
    {
        return fleet_process::run(transport, hubs.parse().expect("a number of hubs"));
    }
    let wish = Wish::read();
    let machine = machine::describe();
    println!("{machine}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut done: Vec<Row> = Vec::new();
    let mut finish = |row: Result<Row, String>| {
        let row = row.unwrap_or_else(|problem| Row::failed(&problem));
        row.print();
        done.push(row);
    };
    if wish.wants("udp") {
        finish(runtime.block_on(rows::udp(wish.full)));
    }
    if wish.wants("tcp") {
        finish(runtime.block_on(rows::tcp(wish.full, limit)));
    }
    if wish.wants("pacing") {
        finish(runtime.block_on(rows::pacing(wish.full, rows::BLOCK_BY_BLOCK)));
        finish(runtime.block_on(rows::pacing(wish.full, rows::ROUND_TRIP)));
    }
    if wish.wants("lanes") {
        finish(runtime.block_on(lanes::lanes(wish.full)));
    }
    if wish.peers {
        finish(Ok(runtime.block_on(peers::all())));
    }
    println!("load at the end: {}", machine::load());
    let json = report::json(&machine, &done);
    match &wish.json {
        Some(path) => std::fs::write(path, &json).expect("the file can be written"),
        None => println!("{json}"),
    }
}
