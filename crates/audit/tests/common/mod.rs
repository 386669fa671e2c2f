//! Builds small wheels byte by byte, valid or with defects that a test asks for.

#![allow(dead_code)] // each test uses some of it

use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::Write;

/// A member to write. Fields that are `None` get their correct value.
#[derive(Clone, Default)]
pub(crate) struct File {
    pub(crate) name: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) deflate: bool,
    /// Name in the local header.
    pub(crate) local_name: Option<Vec<u8>>,
    /// Declared size.
    pub(crate) size: Option<u32>,
    /// Declared checksum.
    pub(crate) crc: Option<u32>,
    pub(crate) flags: u16,
    pub(crate) method: Option<u16>,
    /// Unix file mode.
    pub(crate) mode: u32,
}

pub(crate) fn file(name: &str, data: impl AsRef<[u8]>) -> File {
    File {
        name: name.into(),
        data: data.as_ref().to_vec(),
        deflate: true,
        mode: 0o100_644,
        ..File::default()
    }
}

struct Written {
    central: Vec<u8>,
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, value: usize) {
    out.extend(u32::try_from(value).expect("a small zip").to_le_bytes());
}

impl File {
    /// Writes the member, unless it shares the bytes of the member at `at`.
    fn write(&self, out: &mut Vec<u8>, at: Option<usize>) -> Written {
        let packed = if self.deflate {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&self.data).expect("memory");
            encoder.finish().expect("memory")
        } else {
            self.data.clone()
        };
        let mut sum = flate2::Crc::new();
        sum.update(&self.data);
        let mut common = Vec::new();
        put16(&mut common, 20);
        put16(&mut common, self.flags);
        put16(&mut common, self.method.unwrap_or(if self.deflate { 8 } else { 0 }));
        put32(&mut common, 0); // time and date
        put32(&mut common, self.crc.unwrap_or(sum.sum()) as usize);
        put32(&mut common, packed.len());
        put32(&mut common, self.size.map_or(self.data.len(), |size| size as usize));
        let start = at.unwrap_or(out.len());
        if at.is_none() {
            let name = self.local_name.as_ref().unwrap_or(&self.name);
            out.extend(b"PK\x03\x04");
            out.extend(&common);
            put16(out, name.len() as u16);
            put16(out, 0);
            out.extend(name);
            out.extend(packed);
        }
        let mut central = b"PK\x01\x02".to_vec();
        put16(&mut central, 3 << 8 | 20); // created on Unix
        central.extend(common);
        put16(&mut central, self.name.len() as u16);
        put16(&mut central, 0); // extra
        put16(&mut central, 0); // comment
        put16(&mut central, 0); // disk
        put16(&mut central, 0);
        put32(&mut central, (self.mode << 16) as usize);
        put32(&mut central, start);
        central.extend(&self.name);
        Written { central }
    }
}

/// Returns a zip of these members.
pub(crate) fn zip(files: &[File]) -> Vec<u8> {
    zip_with(files, false, None)
}

/// Returns a zip whose members all share the bytes of the first, or whose end record declares
/// another count.
pub(crate) fn zip_with(files: &[File], shared: bool, count: Option<u16>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut central = Vec::new();
    for (index, file) in files.iter().enumerate() {
        central.extend(file.write(&mut out, (shared && index > 0).then_some(0)).central);
    }
    let start = out.len();
    out.extend(&central);
    out.extend(b"PK\x05\x06");
    put32(&mut out, 0);
    let count = count.unwrap_or(files.len() as u16);
    put16(&mut out, count);
    put16(&mut out, count);
    put32(&mut out, central.len());
    put32(&mut out, start);
    put16(&mut out, 0);
    out
}

/// Returns the files of a wheel's `.dist-info`, with a RECORD of `files` and of itself.
pub(crate) fn info(
    name: &str,
    version: &str,
    headers: &str,
    tags: &[&str],
    files: &[&str],
) -> Vec<File> {
    let folder = format!("{name}-{version}.dist-info");
    let metadata = format!(
        "Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{headers}\nA description.\n"
    );
    let tags: String = tags.iter().map(|tag| format!("Tag: {tag}\n")).collect();
    let record: String = files.iter().map(|path| format!("{path},sha256=x,1\n")).collect();
    vec![
        file(&format!("{folder}/METADATA"), metadata),
        file(&format!("{folder}/WHEEL"), format!("Wheel-Version: 1.0\n{tags}")),
        file(
            &format!("{folder}/RECORD"),
            format!("{record}{folder}/METADATA,,\n{folder}/RECORD,,\n"),
        ),
    ]
}

/// Returns how long a test tries random input: `UNGIL_FUZZ_S` seconds, or 2.
pub(crate) fn fuzz_time() -> std::time::Duration {
    let seconds =
        std::env::var("UNGIL_FUZZ_S").ok().and_then(|text| text.parse().ok()).unwrap_or(2.0);
    std::time::Duration::from_secs_f64(seconds)
}
