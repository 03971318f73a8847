//! What a secured end refuses, and what it takes twice.

use wire::{
    Apdu, ApplicationContext, AssociationRequest, Challenge, ClientHeard, ImageBlock, LinkError, SealError,
    SecureServer, SystemTitle,
};

use crate::emitted;
use crate::security::{
    CLIENT, Kind, PORT, SERVER, SERVICES, aarq, act, ask, associate, associated, broadcast_keys, client,
    client_with, frames, get, keys, lease, proof, refused_train, seal, sealed_blocks, sealer, server,
};

const NOT_ALLOWED: [u8; 3] = [0xD8, 1, 1];

#[test]
fn nothing_is_served_in_the_clear_but_the_refusal() {
    let (_, mut server) = associated();
    let request = emitted(|out| get(2).emit(out));
    assert_eq!(ask(&mut server, &request), (Err(LinkError::Unsecured { found: 0xC0 }), NOT_ALLOWED.to_vec()));
    let block = emitted(|out| act(2, false, &[0]).emit(out));
    assert_eq!(ask(&mut server, &block), (Err(LinkError::Unsecured { found: 0xC3 }), Vec::new()));
    let release = emitted(|out| Apdu::ReleaseRequest.emit(out));
    assert_eq!(ask(&mut server, &release), (Err(LinkError::Unsecured { found: 0x62 }), Vec::new()));
    assert!(server.is_open(PORT), "nobody is thrown out by a stranger");
}

#[test]
fn associations_without_security_are_refused_with_their_reason() {
    let mut server = server();
    for (context, wants_authentication, diagnostic) in
        [(ApplicationContext::LnNoCiphering, false, 2), (ApplicationContext::Other, true, 11)]
    {
        let request = AssociationRequest { context, conformance: SERVICES, max_pdu: 0, wants_authentication };
        let request = emitted(|out| Apdu::AssociationRequest(request).emit(out));
        let (heard, reply) = ask(&mut server, &request);
        assert_eq!(heard, Err(LinkError::Unsecured { found: 0x60 }));
        let Ok(Apdu::AssociationResponse(refusal)) = Apdu::parse(&reply) else { panic!("no AARE") };
        assert_eq!((refusal.accepted, refusal.diagnostic), (false, diagnostic));
    }
}

#[test]
fn a_repeated_request_is_refused_and_so_is_a_repeated_answer() {
    let (mut client, mut server) = associated();
    let request = seal(&mut client, &get(2));
    assert_eq!(ask(&mut server, &request).0, Ok(Kind::Request));
    let refused = ask(&mut server, &request);
    assert_eq!(refused, (Err(LinkError::Replayed { found: 4, last: 4 }), Vec::new()));
    let answer = Apdu::ExceptionResponse { state_error: 1, service_error: 1 };
    assert_eq!(server.seal(PORT, &answer, &mut Vec::new()), Err(SealError::NoCipheredForm { found: 0xD8 }));
    let answer = wire::SetResponse { invoke: crate::security::INVOKE, result: wire::AccessResult::Success };
    let mut sealed = Vec::new();
    server.seal(PORT, &Apdu::SetResponse(answer), &mut sealed).expect("associated");
    let mut plain = Vec::new();
    assert_eq!(client.hear(&sealed, &mut plain), Ok(ClientHeard::Answer(Apdu::SetResponse(answer))));
    assert!(matches!(client.hear(&sealed, &mut plain), Err(LinkError::Replayed { .. })));
}

#[test]
fn a_recorded_handshake_opens_nothing() {
    let (mut client, mut server) = (client(), server());
    let first = aarq(&mut client);
    let (_, reply) = ask(&mut server, &first);
    client.hear(&reply, &mut Vec::new()).expect("challenged");
    let second = proof(&mut client);
    ask(&mut server, &second).0.expect("associated");
    assert!(matches!(ask(&mut server, &first).0, Err(LinkError::Replayed { .. })));
    assert!(server.is_open(PORT), "a repeated AARQ does not close what is open");
    // After a restart the counters of clients are forgotten: the new challenge stands in for them.
    server.forget_associations();
    let (mut plain, mut reply) = (Vec::new(), Vec::new());
    let fresh = |_| Challenge::new(b"another challenge").expect("seventeen bytes");
    server
        .hear(PORT, &first, crate::security::OFFER, fresh, &mut plain, &mut reply)
        .expect("an AARQ is authentic as long as the key is");
    assert_eq!(ask(&mut server, &second).0, Err(LinkError::Forged));
    assert!(!server.is_open(PORT));
}

#[test]
fn who_holds_another_key_or_bears_another_title_is_refused() {
    let stranger_keys = broadcast_keys();
    let (heard, reply) = ask(&mut server(), &aarq(&mut client_with(stranger_keys, CLIENT, 1)));
    assert_eq!(heard, Err(LinkError::Forged));
    let mut plain = Vec::new();
    let refused = LinkError::Rejected { diagnostic: 13 };
    let mut waiting = client();
    aarq(&mut waiting);
    assert_eq!(waiting.hear(&reply, &mut plain), Err(refused));
    assert_eq!(ask(&mut server(), &aarq(&mut client_with(keys(), SERVER, 1))).0, Err(LinkError::Reflected));
    let mut request = aarq(&mut client());
    let title = request.windows(8).position(|bytes| bytes == CLIENT.0).expect("the title is in the AARQ");
    request[title + 7] ^= 1;
    assert_eq!(ask(&mut server(), &request).0, Err(LinkError::Forged));
}

#[test]
fn a_server_that_returns_our_challenge_is_refused() {
    let (mut client, mut server) = (client(), server());
    let request = aarq(&mut client);
    let (mut plain, mut reply) = (Vec::new(), Vec::new());
    let same = |_| Challenge::new(b"K56iVagY").expect("eight bytes");
    let heard = server.hear(PORT, &request, crate::security::OFFER, same, &mut plain, &mut reply);
    assert_eq!(heard, Err(LinkError::Reflected));
}

#[test]
fn lost_parts_of_the_handshake_are_said_again() {
    let (mut client, mut server) = (client(), server());
    let mut plain = Vec::new();
    // The first AARE is lost, then the answer to the second pass.
    let request = aarq(&mut client);
    ask(&mut server, &request).0.expect("answered");
    let request = aarq(&mut client);
    let (_, reply) = ask(&mut server, &request);
    assert_eq!(client.hear(&reply, &mut plain), Ok(ClientHeard::Challenged));
    let request = proof(&mut client);
    ask(&mut server, &request).0.expect("answered");
    assert!(server.is_open(PORT) && !client.is_open());
    let request = proof(&mut client);
    let (heard, reply) = ask(&mut server, &request);
    assert_eq!(heard, Ok(Kind::Answered));
    assert!(matches!(client.hear(&reply, &mut plain), Ok(ClientHeard::Associated(_))));
}

#[test]
fn before_the_second_pass_nothing_is_served_and_afterwards_the_association_can_be_renewed() {
    let (mut client, mut server) = associated();
    let early = seal(&mut client, &get(2));
    let request = aarq(&mut client);
    let (_, reply) = ask(&mut server, &request);
    assert!(
        matches!(ask(&mut server, &early).0, Err(LinkError::Replayed { .. })),
        "its counter is the older"
    );
    client.hear(&reply, &mut Vec::new()).expect("challenged");
    assert_eq!(client.seal(&get(2), &mut Vec::new()), Err(SealError::NotAssociated));
    associate(&mut client, &mut server);
    let request = seal(&mut client, &get(2));
    assert_eq!(ask(&mut server, &request).0, Ok(Kind::Request));
}

#[test]
fn a_client_without_association_hears_so() {
    let (mut client, mut server) = associated();
    server.forget_associations();
    let request = seal(&mut client, &get(2));
    let (heard, reply) = ask(&mut server, &request);
    assert_eq!((heard, &reply[..]), (Err(LinkError::OutOfOrder), &NOT_ALLOWED[..]));
    let heard = client.hear(&reply, &mut Vec::new()).map(|heard| matches!(heard, ClientHeard::Answer(_)));
    assert_eq!(heard, Ok(true));
}

#[test]
fn two_clients_are_told_apart_and_a_ninth_pushes_the_oldest_out() {
    let (mut first, mut server) = associated();
    let mut others: Vec<_> = (2..=9).map(|n| client_with(keys(), SystemTitle([n; 8]), 1)).collect();
    for other in &mut others {
        associate(other, &mut server);
    }
    // All of them speak from one port, so the last one has it.
    let request = seal(&mut first, &get(2));
    assert_eq!(ask(&mut server, &request).0, Err(LinkError::Forged));
    let request = seal(others.last_mut().expect("eight"), &get(2));
    assert_eq!(ask(&mut server, &request).0, Ok(Kind::Request));
}

#[test]
fn under_the_key_of_all_hubs_nothing_goes_but_unconfirmed_blocks() {
    let block = emitted(|out| ImageBlock { number: 0, bytes: &[1; 32] }.emit_parameter(out));
    let train = |apdu: Apdu<'_>| {
        emitted(|out| wire::emit_wan(wire::WPort::PUBLIC_CLIENT, wire::WPort::MANAGEMENT, &apdu, out))
    };
    let no_block = SealError::NoBlock { frame: 0 };
    assert_eq!(refused_train(&train(get(2))), no_block, "GET");
    assert_eq!(refused_train(&train(act(2, true, &block))), no_block, "confirmed");
    assert_eq!(refused_train(&train(act(1, false, &block))), no_block, "another method");
    assert_eq!(
        refused_train(&frames(0, &[1; 64], false)[62..]),
        SealError::NoBlock { frame: 0 },
        "not from 0"
    );
    assert_eq!(refused_train(b"no frame"), SealError::NoFrame { frame: 0 });
}

#[test]
fn a_server_without_the_key_of_all_hubs_takes_none_of_their_blocks() {
    let mut server = SecureServer::new(keys(), None, SERVER, lease(0, 100), Vec::new());
    let mut client = client();
    associate(&mut client, &mut server);
    let blocks = sealed_blocks(&mut sealer(0), 0, &[1; 64]);
    assert_eq!(ask(&mut server, &blocks[0]), (Err(LinkError::KeySet), Vec::new()));
}

#[test]
fn blocks_are_taken_again_in_any_order_until_a_newer_sealing_is_seen() {
    let (_, mut server) = associated();
    let mut sealer = sealer(10);
    let old = sealed_blocks(&mut sealer, 0, &[1; 96]);
    let elsewhere = sealed_blocks(&mut sealer, 1, &[1; 96]);
    let new = sealed_blocks(&mut sealer, 0, &[2; 96]);
    for at in [2, 0, 0, 1, 2] {
        ask(&mut server, &old[at]).0.expect("of the newest sealing");
    }
    assert_eq!(ask(&mut server, &new[1]).0, Ok(Kind::Block { is_new_sealing: true }));
    let outdated = LinkError::Replayed { found: 10, last: 16 };
    assert_eq!(ask(&mut server, &old[0]).0, Err(outdated));
    assert_eq!(ask(&mut server, &elsewhere[0]).0, Ok(Kind::Block { is_new_sealing: true }), "another slot");
    // After a restart, from what was made durable.
    let windows = server.windows().to_vec();
    let mut server = SecureServer::new(keys(), Some(broadcast_keys()), SERVER, lease(0, 100), windows);
    associate(&mut client(), &mut server);
    assert_eq!(ask(&mut server, &old[0]).0, Err(outdated));
    assert_eq!(ask(&mut server, &new[2]).0, Ok(Kind::Block { is_new_sealing: false }));
}

#[test]
fn blocks_do_not_open_an_association_nor_move_its_counters() {
    let mut server = server();
    let blocks = sealed_blocks(&mut sealer(1_000_000), 0, &[1; 64]);
    assert_eq!(ask(&mut server, &blocks[0]), (Err(LinkError::OutOfOrder), Vec::new()));
    let mut client = client();
    associate(&mut client, &mut server);
    ask(&mut server, &blocks[0]).0.expect("associated");
    let request = seal(&mut client, &get(2));
    assert_eq!(ask(&mut server, &request).0, Ok(Kind::Request), "its counter is far below the block's");
}

#[test]
fn without_counters_nothing_is_sent() {
    let mut client = client_with(keys(), CLIENT, 0);
    while client.lease().remaining() > 0 {
        aarq(&mut client);
    }
    let challenge = Challenge::new(b"K56iVagY").expect("eight bytes");
    let mut out = Vec::new();
    let refused = client.associate(challenge, SERVICES, 0, &mut out);
    assert_eq!((refused, out.len()), (Err(SealError::NoCounters { needed: 1, available: 0 }), 0));
    let mut poor = SecureServer::new(keys(), None, SERVER, lease(0, 0), Vec::new());
    let heard = ask(&mut poor, &aarq(&mut crate::security::client())).0;
    assert_eq!(heard, Err(LinkError::Answer(SealError::NoCounters { needed: 1, available: 0 })));
}
