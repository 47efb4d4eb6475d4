//! Sizes of key and tables, the time to make and to load them, and the memory of a prover.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::{fs, hint::black_box, path::Path};

use common::{Run, memory_of, ours::Ours};
use quotapass_circuits::{
    membership::Levels,
    post::Post,
    prover::{ProvingKey, Tables, development_setup},
};

const MEBIBYTE: f64 = (1 << 20) as f64;

fn load(folder: &Path) -> (ProvingKey, Tables) {
    let key = ProvingKey::from_bytes(Post::STANDARD, &fs::read(folder.join("key")).unwrap()).unwrap();
    let tables = Tables::from_bytes(&key, &fs::read(folder.join("tables")).unwrap()).unwrap();
    (key, tables)
}

fn main() {
    let in_child = memory_of(|_, folder| {
        let (key, tables) = load(Path::new(folder));
        let mut ours = Ours::with_key(Levels::STANDARD, key, Some(tables));
        let prepared = ours.prepare();
        black_box(ours.finish(&prepared));
        Box::new((ours, prepared))
    });
    if in_child {
        return;
    }

    let mut run = Run::new("key");
    let key = development_setup(Post::STANDARD).unwrap();
    run.alone("build the tables", &mut || {
        black_box(Tables::build(&key));
    });
    let (key_file, tables_file) = (key.to_bytes(), Tables::build(&key).to_bytes());
    run.row("key file", "MiB", Some(key_file.len() as f64 / MEBIBYTE), None);
    run.row("tables file", "MiB", Some(tables_file.len() as f64 / MEBIBYTE), None);
    run.alone("load the key", &mut || {
        black_box(ProvingKey::from_bytes(Post::STANDARD, &key_file).unwrap());
    });
    run.alone("load the tables", &mut || {
        black_box(Tables::from_bytes(&key, &tables_file).unwrap());
    });

    let folder = std::env::temp_dir().join(format!("quotapass-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("key"), &key_file).unwrap();
    fs::write(folder.join("tables"), &tables_file).unwrap();
    let memory = run.memory("prover", folder.to_str().unwrap());
    fs::remove_dir_all(&folder).unwrap();
    match memory {
        Some((resident, at_most)) => {
            run.row("resident, a prepared prover", "MiB", Some(resident), None);
            run.row("resident at most, a prepared prover", "MiB", Some(at_most), None);
        }
        None => println!("memory is not measured: this system has no /proc"),
    }
    run.finish();
}
