//! The flavour whose program is installed as a Python wheel.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::fixture::{AMD64, LOAD, Plugin, elf, text, unzip};

#[test]
fn each_machine_has_a_wheel_and_the_package_pins_it() {
    let plugin = Plugin::new();
    let folder = plugin.out("wheels");
    let (package, _) = plugin.packaged(&["--wheels", folder.to_str().unwrap()]);
    let files = unzip(&package);
    let requirements = text(&files["requirements.txt"]);
    assert!(files.keys().all(|name| !name.starts_with("bin/")), "the program is not in the package");

    let mut wheels: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    wheels.sort();
    let name = |machine: &str| {
        format!(
            "higress_dify_runtime-0.1.0-py3-none-manylinux_2_17_{machine}.manylinux2014_{machine}.musllinux_1_1_{machine}.whl"
        )
    };
    assert_eq!(wheels, [name("aarch64"), name("x86_64")]);
    let sums: String = [name("x86_64"), name("aarch64")]
        .iter()
        .map(|name| Sha256::digest(fs::read(folder.join(name)).unwrap()))
        .flat_map(|sum| {
            std::iter::once(" --hash=sha256:".to_owned()).chain(sum.into_iter().map(|b| format!("{b:02x}")))
        })
        .collect();
    assert_eq!(requirements, format!("higress-dify-runtime==0.1.0{sums}\n"), "these very files and no others");
    let wheel = unzip(&fs::read(folder.join(name("x86_64"))).unwrap());
    assert_eq!(wheel["higress_dify_runtime-0.1.0.data/scripts/higress-dify-plugin"], elf(AMD64, LOAD));
    let tags = text(&wheel["higress_dify_runtime-0.1.0.dist-info/WHEEL"]);
    assert!(tags.contains("Root-Is-Purelib: false\n") && tags.contains("Tag: py3-none-musllinux_1_1_x86_64\n"));
}

#[test]
fn a_wheel_records_every_file_with_its_sum() {
    let plugin = Plugin::new();
    let folder = plugin.out("wheels");
    plugin.packaged(&["--wheels", folder.to_str().unwrap()]);
    for wheel in fs::read_dir(&folder).unwrap() {
        let files = unzip(&fs::read(wheel.unwrap().path()).unwrap());
        let record = text(&files["higress_dify_runtime-0.1.0.dist-info/RECORD"]);
        assert_eq!(record.lines().count(), files.len());
        for (name, data) in files.iter().filter(|(name, _)| !name.ends_with("RECORD")) {
            let sum = URL_SAFE_NO_PAD.encode(Sha256::digest(data));
            let line = format!("{name},sha256={sum},{}", data.len());
            assert!(record.lines().any(|recorded| recorded == line), "{line} is not in {record}");
        }
    }
}
