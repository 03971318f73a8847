//! The images that imgtool made, which of our recipes makes the same, and with which words imgtool was asked.

use firmware_image::{McubootDependency, McubootHeaderSpace, McubootRecipe, McubootSigning, McubootVersion};

/// Reads a committed image.
pub fn vector(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/mcuboot");
    std::fs::read(format!("{folder}/{name}.bin")).unwrap()
}

/// The payload of all of them.
pub fn payload() -> Vec<u8> {
    (0..64).collect()
}

/// An image that we can make too, byte for byte.
pub struct Twin {
    pub name: &'static str,
    pub recipe: McubootRecipe<'static>,
    /// What imgtool was told beyond slot size and key.
    pub options: &'static [&'static str],
}

impl Twin {
    /// The payload as both tools are given it.
    pub fn input(&self) -> Vec<u8> {
        let reserved = match self.recipe.header_space {
            McubootHeaderSpace::Added => 0,
            McubootHeaderSpace::Reserved => usize::from(self.recipe.header_len),
        };
        [vec![0; reserved], payload()].concat()
    }
}

pub const VERSION: McubootVersion = McubootVersion { major: 1, minor: 2, revision: 3, build: 4 };

pub const PLAIN: McubootRecipe<'static> = McubootRecipe {
    version: VERSION,
    header_len: 0x20,
    header_space: McubootHeaderSpace::Added,
    security_counter: None,
    dependencies: &[],
    signing: McubootSigning::Sha256,
};

const fn version(major: u8, minor: u8, revision: u16, build: u32) -> McubootVersion {
    McubootVersion { major, minor, revision, build }
}

pub const TWINS: &[Twin] = &[
    Twin {
        name: "sha256",
        recipe: PLAIN,
        options: &["--version", "1.2.3+4", "--header-size", "0x20", "--pad-header"],
    },
    Twin {
        name: "sha256-header-512",
        recipe: McubootRecipe { header_len: 0x200, security_counter: Some(7), ..PLAIN },
        options: &["--version=1.2.3+4", "--header-size=0x200", "--pad-header", "--security-counter=7"],
    },
    Twin {
        name: "sha256-counter-auto",
        recipe: McubootRecipe { security_counter: Some(0x0102_0003), ..PLAIN },
        options: &["--version=1.2.3+4", "--header-size=0x20", "--pad-header", "--security-counter=auto"],
    },
    Twin {
        name: "sha256-dependencies",
        recipe: McubootRecipe {
            security_counter: Some(7),
            dependencies: &[
                McubootDependency { image: 1, version: version(2, 3, 4, 5) },
                McubootDependency { image: 2, version: version(6, 7, 8, 0) },
            ],
            ..PLAIN
        },
        options: &[
            "--version=1.2.3+4",
            "--header-size=0x20",
            "--pad-header",
            "--security-counter=7",
            "--dependencies=(1, 2.3.4+5), (2, 6.7.8)",
        ],
    },
    Twin {
        name: "sha256-reserved",
        recipe: McubootRecipe {
            version: version(u8::MAX, u8::MAX, u16::MAX, u32::MAX),
            header_len: 0x200,
            header_space: McubootHeaderSpace::Reserved,
            security_counter: Some(u32::MAX),
            ..PLAIN
        },
        options: &[
            "--version=255.255.65535+4294967295",
            "--header-size=0x200",
            "--security-counter=0xffffffff",
        ],
    },
    Twin {
        name: "sha512",
        recipe: McubootRecipe { signing: McubootSigning::Sha512, ..PLAIN },
        options: &["--version=1.2.3+4", "--header-size=0x20", "--pad-header", "--sha=512"],
    },
    Twin {
        name: "pure",
        recipe: McubootRecipe { signing: McubootSigning::Pure, ..PLAIN },
        options: &["--version=1.2.3+4", "--header-size=0x20", "--pad-header", "--pure"],
    },
    Twin {
        name: "pure-header-512",
        recipe: McubootRecipe {
            header_len: 0x200,
            security_counter: Some(7),
            signing: McubootSigning::Pure,
            ..PLAIN
        },
        options: &[
            "--version=1.2.3+4",
            "--header-size=0x200",
            "--pad-header",
            "--security-counter=7",
            "--pure",
        ],
    },
    Twin {
        name: "pure-dependencies",
        recipe: McubootRecipe {
            version: version(1, 0, 0, 0),
            dependencies: &[McubootDependency { image: 0, version: version(1, 0, 0, 0) }],
            signing: McubootSigning::Pure,
            ..PLAIN
        },
        options: &["--version=1", "--header-size=0x20", "--pad-header", "--dependencies=(0, 1)", "--pure"],
    },
];
