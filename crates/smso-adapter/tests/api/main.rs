//! The API over a real listener, before a conductor in memory.

mod campaigns; // ordering, showing, paging
mod desk; // an engine in memory: everything is durable at once
mod http; // one request, one answer
mod images; // handing in
mod problems; // every way to be turned away
