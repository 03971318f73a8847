//! The secured link: what is sealed opens to itself, nothing else opens, and no bytes make it panic.

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use wire::{Apdu, ClientHeard, LinkError, LinkKeys, SetRequest, SystemTitle};

use crate::security::{
    INVOKE, Kind, PORT, SLOT, aarq, act, ask, associate, associated, client, client_with, proof, seal,
    sealed_blocks, sealer, server,
};

fn set(data: &[u8]) -> Apdu<'_> {
    let attribute = wire::AttributeRef { class: wire::ClassId::IMAGE_TRANSFER, instance: SLOT, index: 5 };
    Apdu::SetRequest(SetRequest { invoke: INVOKE, attribute, data })
}

proptest! {
    #[test]
    fn what_is_sealed_opens_to_itself(parameter in vec(any::<u8>(), 1..2_000), method in any::<u8>()) {
        let (mut client, mut server) = associated();
        for apdu in [act(method, true, &parameter), act(method, false, &parameter), set(&parameter)] {
            let sealed = seal(&mut client, &apdu);
            let (mut plain, mut reply) = (Vec::new(), Vec::new());
            let heard = server.hear(
                PORT,
                &sealed,
                crate::security::OFFER,
                |_| unreachable!("no AARQ"),
                &mut plain,
                &mut reply,
            );
            prop_assert_eq!(heard, Ok(wire::ServerHeard::Request(apdu)));
            let parsed = crate::emitted(|out| apdu.emit(out)).len();
            prop_assert_eq!(sealed.len(), wire::sealed_len(parsed));
            prop_assert!(parsed < 128 || sealed.len() <= parsed + wire::MAX_SEAL_OVERHEAD);
        }
    }

    #[test]
    fn any_keys_titles_and_counters_find_one_another(
        encryption in any::<[u8; 16]>(),
        authentication in any::<[u8; 16]>(),
        titles in any::<[[u8; 8]; 2]>(),
        first in 0..u32::MAX - 2_000,
    ) {
        let [ours, theirs] = titles.map(SystemTitle);
        proptest::prop_assume!(ours != theirs);
        let keys = LinkKeys::new(encryption, authentication);
        let lease = crate::security::lease(first, 1_000);
        let mut server = wire::SecureServer::new(keys.clone(), None, theirs, lease, Vec::new());
        associate(&mut client_with(keys, ours, first), &mut server);
    }

    #[test]
    fn no_bytes_make_a_secured_end_panic(
        tag in proptest::sample::select(vec![0x60u8, 0x61, 0x21, 0xC8, 0xCB, 0xCC, 0xCF, 0xD8, 0xDB, 0x00]),
        control in proptest::sample::select(vec![0x30u8, 0x70, 0x10, 0x20, 0xB0]),
        bytes in vec(any::<u8>(), 0..200),
        framed in any::<bool>(),
    ) {
        let mut apdu = vec![tag];
        if framed {
            apdu.extend_from_slice(&[bytes.len() as u8 + 1, control]);
        }
        apdu.extend_from_slice(&bytes);
        let (mut open_client, mut open_server) = associated();
        for end in [&mut client(), &mut open_client] {
            prop_assert!(!matches!(end.hear(&apdu, &mut Vec::new()), Ok(ClientHeard::Associated(_))));
        }
        for end in [&mut server(), &mut open_server] {
            prop_assert!(ask(end, &apdu).0.is_err());
        }
        prop_assert!(open_server.is_open(PORT) && open_client.is_open());
    }

    #[test]
    fn no_damage_to_a_handshake_makes_a_secured_end_panic_or_believe(
        damage in vec(any::<(u8, u8)>(), 1..4),
    ) {
        let spoil = |bytes: &[u8]| {
            let mut spoiled = bytes.to_vec();
            for (place, byte) in &damage {
                let place = usize::from(*place) % spoiled.len();
                spoiled[place] = *byte;
            }
            spoiled
        };
        let (mut client, mut server) = (client(), server());
        let request = aarq(&mut client);
        let _ = ask(&mut server, &spoil(&request));
        let request = aarq(&mut client);
        let (_, reply) = ask(&mut server, &request);
        let spoiled = spoil(&reply);
        // What is not protected in an AARE, names and lengths of what is read over, may change.
        if spoiled != reply && client.hear(&spoiled, &mut Vec::new()).is_ok() {
            let request = proof(&mut client);
            let (heard, _) = ask(&mut server, &request);
            // A changed challenge makes another answer, which the server does not take.
            let same_challenge = spoiled.windows(8).any(|bytes| bytes == b"P6wRJ21F");
            prop_assert!(same_challenge || heard == Err(LinkError::Forged));
        }
    }

    #[test]
    fn what_was_sealed_under_other_keys_is_forged(
        encryption in any::<[u8; 16]>(),
        authentication in any::<[u8; 16]>(),
    ) {
        let (_, mut server) = associated();
        let count_from = |first: u8| std::array::from_fn(|at| first + at as u8);
        for keys in [
            LinkKeys::new(encryption, count_from(0xD0)),
            LinkKeys::new(count_from(0), authentication),
        ] {
            // Its own server lets it in; ours does not know it.
            let lease = crate::security::lease(0, 100);
            let mut other =
                wire::SecureServer::new(keys.clone(), None, crate::security::SERVER, lease, Vec::new());
            let mut stranger = client_with(keys, crate::security::CLIENT, 100);
            associate(&mut stranger, &mut other);
            let request = seal(&mut stranger, &act(1, true, &[0]));
            prop_assert_eq!(ask(&mut server, &request).0, Err(LinkError::Forged));
        }
    }
}

/// Flips every bit of an APDU and asks a server about each.
#[track_caller]
fn every_flip_is_refused(server: &mut wire::SecureServer, apdu: &[u8], accepted: Kind) {
    for bit in 0..apdu.len() * 8 {
        let mut flipped = apdu.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let heard = ask(server, &flipped).0;
        assert!(heard.is_err(), "bit {bit} of {} may be flipped: {heard:?}", apdu.len() * 8);
    }
    assert_eq!(ask(server, apdu).0, Ok(accepted), "and no flip spoiled the true one");
}

#[test]
fn every_flipped_bit_of_a_request_is_refused() {
    let (mut client, mut server) = associated();
    for len in [1, 40, 300] {
        let request = seal(&mut client, &act(1, true, &vec![3; len]));
        every_flip_is_refused(&mut server, &request, Kind::Request);
    }
}

#[test]
fn every_flipped_bit_of_a_block_for_all_hubs_is_refused() {
    let (_, mut server) = associated();
    let blocks = sealed_blocks(&mut sealer(5), 0, &[9; 40]);
    every_flip_is_refused(&mut server, &blocks[0], Kind::Block { is_new_sealing: true });
    every_flip_is_refused(&mut server, &blocks[1], Kind::Block { is_new_sealing: false });
}

#[test]
fn every_flipped_bit_of_the_second_pass_is_refused() {
    let (mut client, mut server) = (client(), server());
    let request = aarq(&mut client);
    let (_, reply) = ask(&mut server, &request);
    client.hear(&reply, &mut Vec::new()).expect("challenged");
    let request = proof(&mut client);
    every_flip_is_refused(&mut server, &request, Kind::Answered);
}

#[test]
fn a_claimed_length_allocates_nothing() {
    let (_, mut server) = associated();
    for len in [&[0x84u8, 0xFF, 0xFF, 0xFF, 0xFF][..], &[0x82, 0xFF, 0xFF], &[0x83, 0xFF, 0xFF, 0xFF]] {
        let apdu = [&[0xCB], len, &[0x30, 0, 0, 0, 9, 1, 2, 3]].concat();
        let (mut plain, mut reply) = (Vec::new(), Vec::new());
        let heard = server.hear(
            PORT,
            &apdu,
            crate::security::OFFER,
            |_| unreachable!("no AARQ"),
            &mut plain,
            &mut reply,
        );
        assert!(matches!(heard, Err(LinkError::Malformed(_))), "{heard:?}");
        assert_eq!(plain.capacity() + reply.capacity(), 0);
    }
}
