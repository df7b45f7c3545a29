//! The order of a wasm's functions: like ones side by side, because gzip looks back no further than 32 KiB.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};

/// Bytes that count as one thing two functions have in common.
const SHINGLE: usize = 4;
/// What more functions than these have in common says nothing.
const COMMON: usize = 300;
/// Keeps functions of a few bytes, which are like everything, from being everybody's neighbours.
const SMALL: u64 = 20;

const CUSTOM: u8 = 0;
const IMPORT: u8 = 2;
const CODE: u8 = 10;

/// The wasm with a name section that numbers the functions in the order they should have. `wasm-opt` can sort by name,
/// and knows all the places that name a function by its index.
pub(crate) fn number_functions(wasm: &[u8]) -> Result<Vec<u8>> {
    let sections = sections(wasm)?;
    let mut numbered = wasm[..8].to_vec();
    let (mut imported, mut bodies) = (0, Vec::new());
    for section in &sections {
        match section.id {
            CUSTOM => continue,
            IMPORT => imported = imported_functions(section.payload)?,
            CODE => bodies = function_bodies(section.payload)?,
            _ => {}
        }
        numbered.extend_from_slice(section.whole);
    }
    let mut names = Vec::new();
    let order = by_likeness(&bodies);
    push_number(&mut names, order.len());
    let mut place = vec![0; order.len()];
    for (at, function) in order.iter().enumerate() {
        place[*function] = at;
    }
    for (function, at) in place.iter().enumerate() {
        push_number(&mut names, imported + function);
        push_bytes(&mut names, format!("{at:06}").as_bytes());
    }
    let mut payload = Vec::new();
    push_bytes(&mut payload, b"name");
    payload.push(1); // The names of functions.
    push_bytes(&mut payload, &names);
    numbered.push(CUSTOM);
    push_bytes(&mut numbered, &payload);
    Ok(numbered)
}

/// A chain: each function is followed by the one that has most in common with it, of those that are left.
fn by_likeness(functions: &[&[u8]]) -> Vec<usize> {
    let shingles: Vec<Vec<&[u8]>> = functions
        .iter()
        .map(|body| {
            let mut shingles: Vec<_> = body.windows(SHINGLE).collect();
            shingles.sort_unstable();
            shingles.dedup();
            shingles
        })
        .collect();
    let mut having: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (function, shingles) in shingles.iter().enumerate() {
        for shingle in shingles {
            having.entry(shingle).or_default().push(function);
        }
    }
    having.retain(|_, functions| functions.len() < COMMON);

    let mut left = vec![true; functions.len()];
    let mut order = Vec::with_capacity(functions.len());
    let mut next = (!functions.is_empty()).then_some(0);
    while let Some(function) = next {
        left[function] = false;
        order.push(function);
        let mut common = vec![0_u64; functions.len()];
        for shingle in &shingles[function] {
            for other in having.get(shingle).into_iter().flatten() {
                common[*other] += u64::from(left[*other]);
            }
        }
        // The share of the other's shingles, as a fraction; of equals the first, so that the result is always the same.
        let mut best: Option<(usize, u64, u64)> = None;
        for (other, common) in common.into_iter().enumerate().filter(|(_, n)| *n > 0) {
            let all = shingles[other].len() as u64 + SMALL;
            if best.is_none_or(|(_, most, of)| common * of > most * all) {
                best = Some((other, common, all));
            }
        }
        let like = best.map(|(other, _, _)| other);
        next = like.or_else(|| left.iter().position(|left| *left));
    }
    order
}

struct Section<'a> {
    id: u8,
    whole: &'a [u8],
    payload: &'a [u8],
}

fn sections(wasm: &[u8]) -> Result<Vec<Section<'_>>> {
    if !wasm.starts_with(b"\0asm\x01\0\0\0") {
        bail!("wasm-opt left something that is no wasm");
    }
    let mut reader = Reader { bytes: wasm, at: 8 };
    let mut sections = Vec::new();
    while reader.at < wasm.len() {
        let start = reader.at;
        let id = reader.byte()?;
        let payload = reader.counted()?;
        let whole = &wasm[start..reader.at];
        sections.push(Section { id, whole, payload });
    }
    Ok(sections)
}

fn function_bodies(section: &[u8]) -> Result<Vec<&[u8]>> {
    let mut reader = Reader {
        bytes: section,
        at: 0,
    };
    (0..reader.number()?).map(|_| reader.counted()).collect()
}

/// How many functions are imported: these have the first indices.
fn imported_functions(section: &[u8]) -> Result<usize> {
    let mut reader = Reader {
        bytes: section,
        at: 0,
    };
    let mut functions = 0;
    for _ in 0..reader.number()? {
        let (_module, _name) = (reader.counted()?, reader.counted()?);
        if reader.byte()? != 0 {
            bail!("the wasm imports something that is no function");
        }
        reader.number()?;
        functions += 1;
    }
    Ok(functions)
}

/// Reads what the [binary format](https://webassembly.github.io/spec/core/binary/) is made of.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).context("the wasm ends early")?;
        self.at += 1;
        Ok(byte)
    }

    /// An unsigned number of up to 32 bits, LEB128.
    fn number(&mut self) -> Result<usize> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        bail!("the wasm has a number that is too large")
    }

    /// As many bytes as the number before them says.
    fn counted(&mut self) -> Result<&'a [u8]> {
        let length = self.number()?;
        let end = self.at + length;
        let bytes = self
            .bytes
            .get(self.at..end)
            .context("the wasm ends early")?;
        self.at = end;
        Ok(bytes)
    }
}

fn push_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn push_bytes(bytes: &mut Vec<u8>, counted: &[u8]) {
    push_number(bytes, counted.len());
    bytes.extend_from_slice(counted);
}

#[cfg(test)]
mod tests {
    use walrus::{FunctionBuilder, Module, ModuleConfig};

    use super::*;

    #[test]
    fn like_functions_follow_each_other() {
        let bodies: [&[u8]; 4] = [b"abcdefgh", b"0123456789", b"abcdefgi", b"012345678x"];
        assert_eq!(by_likeness(&bodies), [0, 2, 1, 3]);
        assert_eq!(by_likeness(&[]), [0; 0]);
    }

    #[test]
    fn every_function_gets_a_number_of_its_own() {
        let mut module = Module::default();
        let kind = module.types.add(&[], &[]);
        let (imported, _) = module.add_import_func("env", "f", kind);
        for n in [7, 200, 7] {
            let mut builder = FunctionBuilder::new(&mut module.types, &[], &[]);
            builder.func_body().i32_const(n).drop().call(imported);
            let function = builder.finish(vec![], &mut module.funcs);
            module
                .exports
                .add(&format!("f{}", module.exports.iter().count()), function);
        }
        let numbered = number_functions(&module.emit_wasm()).unwrap();
        let module = ModuleConfig::new().parse(&numbered).unwrap();
        let mut names: Vec<_> = module
            .funcs
            .iter_local()
            .filter_map(|(id, _)| module.funcs.get(id).name.clone())
            .collect();
        names.sort();
        assert_eq!(names, ["000000", "000001", "000002"]);
        assert!(number_functions(b"no wasm").is_err());
    }
}
