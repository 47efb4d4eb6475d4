//! Cost of a proof without a phone to measure on: instructions, memory and bytes.
//!
//! Valgrind counts the instructions, on one thread. Like phones, it has no AVX-512. A child process reads
//! key and tables from files and repeats the work; a second child with zero repetitions counts everything else, which
//! is subtracted.
//!
//! `--aarch64 PROGRAM` is the path of this benchmark compiled for aarch64. The log of qemu gives its instructions.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, missing_docs)]

mod common;

use std::{
    collections::HashMap,
    env, fs,
    hint::black_box,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use common::{
    Run, memory_of,
    ours::{Ours, other},
};
use quotapass_circuits::{
    badge::Badge,
    formats::wire::POST_BYTES,
    membership::{Bucket, Levels, MemberTree, UpperNodes},
    post::Post,
    prover::{ProvingKey, Tables, development_setup},
};

/// Flag of a child process, before the work to count, whether it has tables, its repetitions, and the folder of the
/// files.
const COUNT: &str = "--count";
/// Repetitions of a work. The counts of a proof hardly differ.
const TIMES: u64 = 2;
/// Flag before the path of the program for aarch64.
const AARCH64: &str = "--aarch64";
const KEY: &str = "post.key";
const TABLES: &str = "post.tables";

/// Works, each with its name in the figures, and whether it has tables.
const WORKS: [(&str, &str, bool); 7] = [
    ("full", "full proof", true),
    ("full", "full proof without tables", false),
    ("prepare", "prepare", true),
    ("message", "message", true),
    ("message", "message without tables", false),
    ("verify", "decode and verify one", false),
    ("insert", "insert one member", false),
];

fn main() {
    let arguments: Vec<_> = env::args().collect();
    if let [_, flag, work, tables, times, folder, ..] = &arguments[..]
        && flag == COUNT
    {
        let mut ours = read(Path::new(folder), tables == "true");
        return do_work(&mut ours, work, times.parse().unwrap());
    }
    let in_child = memory_of(|tables, folder| {
        let mut ours = read(Path::new(folder), tables == "tables");
        let prepared = ours.prepare();
        black_box(ours.finish(&prepared));
        Box::new((ours, prepared))
    });
    if in_child {
        return;
    }
    let mut run = Run::new("phone");
    let folder = env::temp_dir().join(format!("quotapass-phone-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let key = development_setup(Post::STANDARD).unwrap();
    let (key_file, tables_file) = (key.to_bytes(), Tables::build(&key).to_bytes());
    fs::write(folder.join(KEY), &key_file).unwrap();
    fs::write(folder.join(TABLES), &tables_file).unwrap();
    let aarch64 = arguments.iter().skip_while(|argument| *argument != AARCH64).nth(1);
    for (work, what, tables) in WORKS {
        // One run under valgrind takes seconds; a short run does each work once, without valgrind.
        if run.is_short() {
            do_work(&mut read(&folder, tables), work, 1);
            continue;
        }
        let mut count = |what: &str, instructions: &dyn Fn(&[&str]) -> u64| {
            let [some, none] = [TIMES, 0].map(|times| {
                let folder = folder.to_str().unwrap();
                instructions(&[COUNT, work, &tables.to_string(), &times.to_string(), folder])
            });
            run.row(what, "million instructions", Some((some - none) as f64 / TIMES as f64 / 1e6), None);
        };
        count(what, &under_valgrind);
        if let Some(program) = aarch64 {
            count(&format!("{what}, aarch64"), &|arguments| under_qemu(program, arguments));
        }
    }
    for (what, tables) in [("resident at most, with tables", "tables"), ("resident at most, without", "none")] {
        if let Some((_, most)) = run.memory(tables, folder.to_str().unwrap()) {
            run.row(what, "MiB", Some(most), None);
        }
    }
    let badge_key = development_setup(Badge::STANDARD).unwrap().to_bytes();
    let sizes = [
        ("key file of posts", key_file.len()),
        ("key file of badges", badge_key.len()),
        ("tables file", tables_file.len()),
        ("upper nodes, at most", UpperNodes::max_bytes(Levels::STANDARD)),
        ("a bucket, at most", Bucket::max_bytes(Levels::STANDARD)),
        ("a pass", POST_BYTES),
    ];
    for (what, bytes) in sizes {
        run.row(what, "KiB", Some(bytes as f64 / 1024.0), None);
    }
    fs::remove_dir_all(&folder).unwrap();
    run.finish();
}

/// Reads a member with the key, and optionally the tables, from the files.
fn read(folder: &Path, with_tables: bool) -> Ours {
    let key = ProvingKey::from_bytes(Post::STANDARD, &fs::read(folder.join(KEY)).unwrap()).unwrap();
    let tables = with_tables.then(|| Tables::from_bytes(&key, &fs::read(folder.join(TABLES)).unwrap()).unwrap());
    Ours::with_key(Levels::STANDARD, key, tables)
}

/// Does a work `times` times. The preparation is the same for every number of times.
fn do_work(ours: &mut Ours, work: &str, times: u64) {
    match work {
        "full" => (0..times).for_each(|_| _ = black_box(ours.prove())),
        "prepare" => (0..times).for_each(|_| _ = black_box(ours.prepare())),
        "message" => {
            let prepared = ours.prepare();
            (0..times).for_each(|_| _ = black_box(ours.finish(&prepared)));
        }
        "verify" => {
            let (pass, verifier) = (ours.passes(1).remove(0), ours.prover.verifier().unwrap());
            for _ in 0..times {
                let (public, proof) = ours.decode(black_box(&pass));
                verifier.verify(&public, &proof).unwrap();
            }
        }
        "insert" => {
            let mut tree = MemberTree::new(Levels::STANDARD);
            (0..times).for_each(|number| _ = black_box(tree.append(other(number)).unwrap()));
        }
        work => panic!("unknown work: {work}"),
    }
}

/// Returns the number of instructions that this program runs with these arguments.
fn under_valgrind(arguments: &[&str]) -> u64 {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    valgrind.arg(env::current_exe().unwrap()).args(arguments).env("RAYON_NUM_THREADS", "1");
    let output = valgrind.output().expect("cannot run valgrind, which counts instructions: install it");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let line = text.lines().find_map(|line| line.split_once("refs:")).unwrap().1;
    line.trim().replace(',', "").parse().unwrap()
}

/// Returns the number of instructions that a program for aarch64 runs. qemu logs each block of code when it translates
/// it, one line per instruction, and the address of each block that it runs.
fn under_qemu(program: &str, arguments: &[&str]) -> u64 {
    let mut qemu = Command::new("qemu-aarch64-static");
    qemu.args(["-L", "/usr/aarch64-linux-gnu", "-d", "in_asm,exec,nochain", program]).args(arguments);
    qemu.env("RAYON_NUM_THREADS", "1").stderr(Stdio::piped());
    let mut child = qemu.spawn().expect("cannot run qemu-aarch64-static: install qemu-user-static");
    let mut log = BufReader::with_capacity(1 << 20, child.stderr.take().unwrap());
    let mut lengths = HashMap::<u64, u64>::new();
    let (mut block, mut count, mut line) = (None, 0, Vec::new());
    while log.read_until(b'\n', &mut line).unwrap() > 0 {
        let text = str::from_utf8(&line).unwrap_or_default();
        if let Some(place) = text.strip_prefix("Trace ") {
            // Trace 0: HOST [BASE/ADDRESS/...] NAME
            let address = place.split('/').nth(1).unwrap();
            count += lengths[&u64::from_str_radix(address, 16).unwrap()];
            block = None;
        } else if let Some((address, _)) = text.strip_prefix("0x").and_then(|text| text.split_once(": ")) {
            let address = u64::from_str_radix(address, 16).unwrap();
            // qemu translates a block again after it has dropped it.
            let first = *block.get_or_insert_with(|| (lengths.insert(address, 0), address).1);
            *lengths.get_mut(&first).unwrap() += 1;
        } else if text.starts_with("IN:") {
            block = None;
        }
        line.clear();
    }
    assert!(child.wait().unwrap().success(), "{program} failed under qemu");
    count
}
