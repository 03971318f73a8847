//! A secured dialogue, byte for byte: what dlms-cosem 25.1.0 makes of these keys, titles, challenges and counters
//! (its AARQ is that of Gurux 1.0.203, to the byte). The standard's own examples are tested beside the code.

use wire::{Apdu, ClientHeard, Data, GetResponse, WPort, WanFrame, sealed_block_frame_len};

use crate::hex;
use crate::security::{
    INVOKE, Kind, PORT, aarq, ask, associated, client, frames, get, proof, seal, sealed_blocks, sealer,
    server,
};

const AARQ: &str = "60 55 a109060760857405080103 a60a0408 4d4d4d0000000001 8a020780 8b0760857405080205 \
    ac0a8008 4b35366956616759 be230421 211f3000000001 9945ab0e570975ccdf519dc1675f 5a706e945eb771b4335c5fc3";
const AARE: &str = "61 61 a109060760857405080103 a203020100 a305a10302010e a40a0408 4d4d4d0000bc614e 88020780 \
    890760857405080205 aa0a8008 503677524a323146 be230421 281f3001234567 891214a0845e4757683e3e1dbc19 \
    1eed6298b18253fa1b839f15";
const SECOND_PASS: &str = "cb 31 30 00000003 603876ab2931261f682cab4c405faa04ed038f352a9e2056a40afa3e365d1b94 \
    f2c7ad4e7baf24ac03ea34e1";
const SECOND_PASS_ANSWER: &str = "cf 2a 30 01234569 cf0a069de69de9e04b41e3881d4383941b6aacf66dc310e4 \
    82ab01a79fc933a872dffe7cde";
const GET_ANSWER: &str = "cc 1a 30 0123456a 09d9f537adbe4dd7a5 c3c6a71a74396db3e681300a";
const BLOCK_0: &str = "cb 47 70 00000100 a99342adf4db7ea2bc7e1200cea689f15c6e2e134cad93561a49dd7b4ccaf957a3433b84\
    8e4ba96acba6d2490eb3207346d5fc13d4c57e81154a12fcbb98dffbbe64";
const BLOCK_1: &str =
    "cb 2b 70 00000101 5e176caf1d9af3e8f30558331de6112d1bbbd0631fe5547e0e702c8f9ee8b2c877e865faae62";

#[test]
fn a_secured_association_opens_as_others_open_it() {
    let (mut client, mut server) = (client(), server());
    let mut plain = Vec::new();
    assert_eq!(aarq(&mut client), hex(AARQ));
    let (heard, reply) = ask(&mut server, &hex(AARQ));
    assert_eq!((heard, reply), (Ok(Kind::Answered), hex(AARE)));
    assert_eq!(client.hear(&hex(AARE), &mut plain), Ok(ClientHeard::Challenged));
    assert_eq!(proof(&mut client), hex(SECOND_PASS));
    let (heard, reply) = ask(&mut server, &hex(SECOND_PASS));
    assert_eq!((heard, reply), (Ok(Kind::Answered), hex(SECOND_PASS_ANSWER)));
    let heard = client.hear(&hex(SECOND_PASS_ANSWER), &mut plain).expect("authentic");
    assert!(matches!(heard, ClientHeard::Associated(_)), "{heard:?}");
    assert!(client.is_open() && server.is_open(PORT));
}

#[test]
fn an_answer_is_ciphered_as_others_cipher_it() {
    let (mut client, mut server) = associated();
    let request = seal(&mut client, &get(2));
    assert_eq!(ask(&mut server, &request), (Ok(Kind::Request), Vec::new()));
    let mut value = Vec::new();
    Data::Unsigned32(32).emit(&mut value);
    let answer = Apdu::GetResponse(GetResponse { invoke: INVOKE, result: Ok(&value) });
    let mut sealed = Vec::new();
    server.seal(PORT, &answer, &mut sealed).expect("associated, with counters");
    assert_eq!(sealed, hex(GET_ANSWER));
    assert_eq!(client.hear(&sealed, &mut Vec::new()), Ok(ClientHeard::Answer(answer)));
}

#[test]
fn blocks_for_all_hubs_are_ciphered_as_others_cipher_them() {
    let image: Vec<u8> = (0..32).chain(0..4).collect();
    let blocks = sealed_blocks(&mut sealer(0x100), 0, &image);
    assert_eq!(blocks, [hex(BLOCK_0), hex(BLOCK_1)]);
    let (_, mut server) = associated();
    assert_eq!(ask(&mut server, &blocks[1]), (Ok(Kind::Block { is_new_sealing: true }), Vec::new()));
    assert_eq!(ask(&mut server, &blocks[0]), (Ok(Kind::Block { is_new_sealing: false }), Vec::new()));
}

#[test]
fn sealed_frames_of_an_image_have_equal_strides_and_a_known_length() {
    for len in [1, 31, 32, 100, 1_000] {
        let plain = frames(3, &vec![7; len], false);
        let mut sealed = Vec::with_capacity(len.div_ceil(32) * sealed_block_frame_len(32));
        let (place, capacity) = (sealed.as_ptr(), sealed.capacity());
        sealer(0).seal_image(&plain, &mut sealed).expect("a train of blocks");
        assert_eq!((sealed.as_ptr(), sealed.capacity()), (place, capacity), "nothing was allocated");
        let full = len / 32;
        let last = if len % 32 == 0 { 0 } else { sealed_block_frame_len(len % 32) };
        assert_eq!(sealed.len(), full * sealed_block_frame_len(32) + last);
        for frame in sealed.chunks(sealed_block_frame_len(32)) {
            let frame = WanFrame::parse_datagram(frame).expect("a sound frame");
            assert_eq!((frame.source, frame.destination), (WPort::PUBLIC_CLIENT, WPort::MANAGEMENT));
        }
    }
}
